import subprocess
import sys

import numpy as np
import pytest
from napari.utils.theme import get_theme
from superqt.utils import qimage_to_array

from napari_clip_denoise.gui.parts import line_plot
from napari_clip_denoise.gui.parts.learning_plot import LOSS_COLOR, SCORE_COLOR, LearningPlot
from napari_clip_denoise.gui.parts.line_plot import round_steps, round_ticks
from napari_clip_denoise.training.finetune.progress import Learning, Picture

START = 10**-2.1
THEMES = ("dark", "light")
ODD = (float("nan"), float("inf"), -float("inf"), 1e308)


@pytest.fixture(params=THEMES)
def theme(request):
    return request.param


@pytest.fixture
def plot(qtbot, theme):
    """An empty plot in the width of napari's panels."""
    plot = LearningPlot(theme)
    qtbot.addWidget(plot)
    plot.resize(340, 360)
    return plot


def learn(plot, losses, scores=(), picture=None):
    for step, loss in enumerate(losses, 1):
        plot.add(Learning(step, 0.1, 1, 1, loss, None, START, START))
    for step, score in enumerate(scores, 1):
        plot.add(Learning(step, 0.1, 1, 1, None, score, START, START, picture))
    plot.refresh()


def painted(widget):
    """The pixels of a widget, RGB."""
    return qimage_to_array(widget.grab().toImage())[..., :3]


def count(pixels, colour):
    return int((pixels == colour.getRgb()[:3]).all(axis=-1).sum())


def luminance(rgb):
    fraction = np.asarray(rgb) / 255
    linear = np.where(fraction <= 0.04045, fraction / 12.92, ((fraction + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def colours(theme):
    values = get_theme(theme)
    return values.background.as_rgb_tuple(), values.text.as_rgb_tuple()


def test_curves_are_painted_in_their_colours(plot):
    for curve, colour in ((plot.loss, LOSS_COLOR), (plot.score, SCORE_COLOR)):
        assert count(painted(curve), colour) == 0
    learn(plot, np.linspace(0.01, 0.001, 50), np.linspace(START, START / 2, 5))
    for curve, colour in ((plot.loss, LOSS_COLOR), (plot.score, SCORE_COLOR)):
        assert count(painted(curve), colour) > 100
    assert count(painted(plot), LOSS_COLOR) == count(painted(plot.loss), LOSS_COLOR)


def test_colours_follow_the_theme_and_stand_out(plot, theme):
    other = next(name for name in THEMES if name != theme)
    learn(plot, [0.01, 0.005], [START / 2])
    for name in (theme, other):
        plot.paint(name)
        background, text = colours(name)
        pixels = painted(plot)
        assert tuple(pixels[0, -1]) == background
        assert (pixels == text).all(axis=-1).sum() > 100
        assert contrast(background, text) > 7
        for colour in (LOSS_COLOR, SCORE_COLOR):
            assert contrast(background, colour.getRgb()[:3]) > 3


def test_the_start_is_dashed_across_the_scores(plot, theme):
    learn(plot, [0.01] * 10, [START / 2] * 3)
    pixels = painted(plot.score)
    _, text = colours(theme)
    is_text = (pixels == text).all(axis=-1)
    longest = is_text[:, 60:].mean(axis=1).max()
    assert 0.4 < longest < 0.95
    assert plot.score.level == pytest.approx(21)


@pytest.mark.parametrize("odd", ODD)
def test_values_that_are_not_finite_leave_a_gap(plot, odd):
    losses = [0.01] * 20 + [odd] * 20 + [0.01] * 20
    learn(plot, losses, [START, odd, START / 2])
    pixels = painted(plot.loss)
    is_curve = (pixels == LOSS_COLOR.getRgb()[:3]).all(axis=-1).any(axis=0)
    left, right = np.flatnonzero(is_curve)[[0, -1]]
    third = (right - left) // 3
    assert not is_curve[left + third + 6 : right - third - 6].any()
    assert is_curve[right - third + 6 : right].all()
    assert count(painted(plot.score), SCORE_COLOR) > 20


@pytest.mark.parametrize("odd", ODD)
def test_nothing_but_odd_values_is_an_empty_plot(plot, odd):
    learn(plot, [odd] * 5)
    plot.add(Learning(5, 0.1, 1, 1, odd, odd, odd, float("nan")))
    plot.refresh()
    assert count(painted(plot), LOSS_COLOR) == 0


def test_clear_leaves_frames_and_titles(plot, theme, qtbot):
    empty = painted(plot)
    assert len(np.unique(empty.reshape(-1, 3), axis=0)) > 3
    picture = Picture(*np.random.default_rng(0).random((3, 32, 32)))
    learn(plot, [0.01, 0.005], [START / 2], picture)
    assert plot.n_judged == 2
    assert not np.array_equal(painted(plot), empty)
    plot.clear()
    assert plot.n_judged == 0
    assert all(picture.image is None for picture in plot.pictures)
    np.testing.assert_array_equal(painted(plot), empty)


def test_a_long_training_is_painted_by_the_pixel_up_to_its_last_step(plot, monkeypatch):
    sizes = []
    original = line_plot.QPolygonF
    monkeypatch.setattr(
        line_plot, "QPolygonF", lambda points: sizes.append(len(points)) or original(points)
    )
    plot.loss.show_line(range(20_000), [0.0] * 19_999 + [1.0], 20_000)
    pixels = painted(plot.loss)
    assert sizes
    assert 100 < sizes[-1] <= 340
    is_curve = (pixels == LOSS_COLOR.getRgb()[:3]).all(axis=-1)
    assert is_curve[: len(pixels) // 2].any()


def test_pictures_keep_their_aspect_and_share_the_limits_of_the_one_before(plot):
    before = np.zeros((20, 40))
    before[:, 20:] = 1
    learn(plot, [0.01], [START / 2], Picture(before + 5, before, 0.5 * before))
    noisy, shown, now = (painted(picture) for picture in plot.pictures)
    for pixels, white, gray in ((noisy, 1, 0), (shown, 0.5, 0), (now, 0, 0.5)):
        half = pixels[len(pixels) // 3]
        area = half[8:-8, 0]
        assert np.mean(area == 255) == pytest.approx(white, abs=0.05)
        assert np.mean(np.abs(area.astype(int) - 128) < 2) == pytest.approx(gray, abs=0.05)
    rows, columns = np.nonzero((noisy == 255).all(axis=-1))
    assert (np.ptp(columns) + 1) / (np.ptp(rows) + 1) == pytest.approx(2, rel=0.05)
    assert np.ptp(columns) > 0.85 * noisy.shape[1]
    image = plot.pictures[0].image
    assert (image.width(), image.height()) == (40, 20)


def test_pictures_with_odd_values_are_painted(plot):
    odd = np.array([[float("nan"), 1], [float("inf"), -float("inf")]])
    learn(plot, [0.01], [START / 2], Picture(odd, odd, np.full((2, 2), float("nan"))))
    painted(plot)
    learn(plot, [0.01], [START / 2], Picture(odd, np.full((2, 2), float("nan")), odd))
    painted(plot)


def test_a_larger_font_gets_more_room(plot):
    learn(plot, [0.01, 0.005], [START / 2])
    size, room = plot.minimumSizeHint(), plot.loss.label_width()
    font = plot.font()
    font.setPointSize(2 * font.pointSize())
    plot.setFont(font)
    assert plot.minimumSizeHint().height() > 1.5 * size.height()
    assert plot.loss.label_width() > 1.5 * room


@pytest.mark.parametrize(
    ("low", "high", "labels"),
    [
        (0.0023, 0.0071, ["0.002", "0.004", "0.006", "0.008"]),
        (21.6, 22.7, ["21.5", "22.0", "22.5", "23.0"]),
        (-1, 1, ["-1.0", "-0.5", "0.0", "0.5", "1.0"]),
        (1e-7, 3e-7, ["1e-07", "1.5e-07", "2e-07", "2.5e-07", "3e-07"]),
        (0, 0, ["-0.5", "0.0", "0.5"]),
    ],
)
def test_ticks_are_round(low, high, labels):
    assert [label for _, label in round_ticks(low, high)] == labels


@pytest.mark.parametrize("low", [-1e99, -3.3, 0, 1e-30, 21.64, 99_999, 3e38])
@pytest.mark.parametrize("span", [0, 1e-9, 0.7, 13, 1e6])
def test_ticks_hold_all_values_and_differ(low, span):
    ticks = round_ticks(low, low + span)
    assert ticks[0][0] <= low
    assert ticks[-1][0] >= low + span
    assert 2 <= len({label for _, label in ticks}) == len(ticks) <= 5
    assert max(len(label) for _, label in ticks) <= 11


@pytest.mark.parametrize(
    ("last", "steps"),
    [(1, [0, 1]), (7, [0, 2, 4, 6, 7]), (1237, [0, 500, 1000, 1237]), (500, [0, 200, 400, 500])],
)
def test_steps_are_integers_from_0_to_the_last(last, steps):
    assert round_steps(last, 4) == steps


def test_no_matplotlib_is_needed():
    module = "napari_clip_denoise.gui.widgets.fine_tune"
    code = f"import sys; sys.modules['matplotlib'] = None; import {module}"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
