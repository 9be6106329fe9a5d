"""The plots of Check result: axes, legends, and what they show."""

import numpy as np
import pytest

from napari_clip_denoise.gui.parts.check_plots import (
    COLD,
    LINE,
    POINTS,
    WARM,
    CurvePlot,
    MapPlot,
)


@pytest.fixture
def shown(qtbot):
    """Gives how many pixels of a shown widget have a colour, between two heights."""

    def count(plot, colour, top=0, bottom=None):
        qtbot.addWidget(plot)
        plot.resize(160, plot.minimumHeight())
        picture = plot.grab().toImage()
        rows = range(top, picture.height() if bottom is None else bottom)
        pixels = (picture.pixelColor(x, y) for y in rows for x in range(picture.width()))
        return sum(pixel.rgb() == colour.rgb() for pixel in pixels)

    return count


def test_the_legend_tells_points_from_the_line_before_there_is_data(shown):
    plot = CurvePlot("Residual variance", "intensity", "variance", ("residual", "noise"))
    height = plot.minimumHeight()
    assert shown(plot, POINTS, bottom=height // 2) == shown(plot, LINE, bottom=height // 2) == 0
    assert shown(plot, POINTS, top=height // 2) > 3
    assert shown(plot, LINE, top=height // 2) > 10


def test_points_and_line_are_drawn_in_the_frame(shown):
    plot = CurvePlot("Residual variance", "intensity", "variance", ("residual", "noise"))
    x = np.linspace(0, 10, 20)
    plot.show_curve(x, 50 + x, 80 + x)
    middle = plot.minimumHeight() // 2
    assert shown(plot, POINTS, bottom=middle + 20) > 50
    assert shown(plot, LINE, bottom=middle) > 50


def test_the_colours_of_a_map_are_explained_by_a_scale(shown):
    plot = MapPlot("Autocorrelation", "shift in x (px)", "shift in y (px)", 0.2)
    values = np.zeros((17, 17))
    values[8, 9], values[9, 8] = 0.3, -0.3
    plot.show_map(values)
    middle = plot.minimumHeight() * 2 // 3
    assert shown(plot, WARM, bottom=middle) > 10
    assert shown(plot, COLD, bottom=middle) > 10
