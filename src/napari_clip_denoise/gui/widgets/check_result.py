"""The Check result widget."""

from typing import TYPE_CHECKING, Any

import napari
import numpy as np
from magicgui.widgets import ComboBox
from napari.layers import Image
from qtpy.QtWidgets import (
    QLabel,
    QPushButton,
)

from napari_clip_denoise.errors import ClipDenoiseError, InputError
from napari_clip_denoise.gui.forms.rows import labelled, menu_of_names
from napari_clip_denoise.gui.panel.base import TaskPanel, in_a_row
from napari_clip_denoise.gui.panel.turns import Steps
from napari_clip_denoise.gui.parts.check_plots import CurvePlot, MapPlot
from napari_clip_denoise.gui.viewer.check_layers import (
    ADDED,
    REMOVED,
    names_of_layers,
    residual_layer,
    rings,
)
from napari_clip_denoise.gui.viewer.layers import (
    METADATA,
    current_plane,
    images_of,
    plane_at,
    remove,
    result_arguments,
    stack_of,
    when_layers_change,
)
from napari_clip_denoise.gui.viewer.origin import guess_pair
from napari_clip_denoise.gui.viewer.pairs import (
    derived_from,
    pair_of,
    settings_of,
)
from napari_clip_denoise.gui.workers.check import check_pair
from napari_clip_denoise.gui.workers.uncertainty import uncertainty_steps
from napari_clip_denoise.images.regions import Region
from napari_clip_denoise.inference.preview import View, central_part
from napari_clip_denoise.inference.progress import CancelToken

if TYPE_CHECKING:
    from napari_clip_denoise.evaluation.trust.sample import CheckedSample

SCOPES = (("Current plane", False), ("Five planes across the layer", True))
CORRELATION_SHOWN = 0.2
PROMPT = "Choose a noisy and a denoised image and press Check."


class CheckResultWidget(TaskPanel):
    """Checks whether only noise was removed from an image.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        Viewer with the layers.
    """

    def __init__(self, napari_viewer: napari.Viewer):
        super().__init__("Stop; no layers are added.")
        self._viewer = napari_viewer
        self.checked: CheckedSample | None = None
        self.noisy = menu_of_names(self._images, "The original, noisy image.")
        self.denoised = menu_of_names(self._images, "Its denoised version, made by any tool.")
        self.reference = menu_of_names(
            lambda widget: [("None", None), *self._images(widget)],
            "Optional: the ground truth, or a much less noisy image of the same field.",
        )
        self.scope = ComboBox(choices=SCOPES, tooltip="Which planes to check.")
        self.check_button = QPushButton("Check")
        self.check_button.setToolTip(
            "Examine what was removed (the residual): add it as a layer, and mark where it is not "
            "just noise."
        )
        self.check_button.clicked.connect(self.check)
        self.spread_button = QPushButton("Uncertainty")
        self.spread_button.setToolTip(
            "Add a layer that is brighter where the model is less certain: how much its result "
            "varies when what the network sees is disturbed slightly. Needs a result of the "
            "Denoise panel; covers up to one megapixel of the current plane."
        )
        self.spread_button.clicked.connect(self.measure_spread)
        self.task.follow(idle=(self.check_button, self.spread_button))
        self.verdict = QLabel(PROMPT)
        self.verdict.setWordWrap(True)
        self.figures = QLabel("")
        self.figures.setWordWrap(True)
        self.curve = CurvePlot("Residual variance", "intensity", "variance", ("residual", "noise"))
        self.map = MapPlot(
            "Autocorrelation", "shift in x (px)", "shift in y (px)", CORRELATION_SHOWN
        )
        self.curve.setToolTip(
            "Points: variance of the residual at pixels of about that intensity. Line: variance of "
            "the noise, measured in flat areas of the noisy image. They agree if only noise was "
            "removed."
        )
        self.map.setToolTip(
            "How similar the residual is to itself a few pixels away. White: not at all, as for "
            "pure noise. Red: structure, or correlated noise. Blue: noise that was left in."
        )
        self._lay_out()
        for field in (self.noisy, self.denoised, self.reference, self.scope):
            field.changed.connect(self._forget)
        when_layers_change(napari_viewer, self._refresh)
        self._guess()

    def _lay_out(self) -> None:
        rows = labelled(
            ("Noisy", self.noisy),
            ("Denoised", self.denoised),
            ("Reference", self.reference),
            ("Planes", self.scope),
        )
        buttons = in_a_row(self.check_button, self.spread_button, self.cancel_button)
        plots = in_a_row(self.curve, self.map)
        self.lay_out(rows, buttons, self.progress, self.verdict, self.figures, plots)

    def check(self) -> None:
        """Check the chosen pair."""
        try:
            noisy, denoised = self._chosen()
            pair = pair_of(noisy, denoised, self.reference.value)
            if everywhere := self.scope.value:
                plane = plane_at(denoised, pair["denoised"], self._viewer.dims.point)
            else:
                plane = current_plane(self._viewer, denoised, pair["denoised"])
        except ClipDenoiseError as error:
            self.complain(error)
            return
        cancel = CancelToken()
        self.task.start(
            check_pair,
            pair,
            plane,
            everywhere,
            cancel,
            control=cancel,
            finish=lambda found: self._show(found[0], found[1], noisy, denoised),
            message="Examining the residual …",
        )

    def measure_spread(self) -> None:
        """Measure how sure the model is of the current plane."""
        try:
            noisy, denoised = self._chosen()
            stack = stack_of(noisy)
            plane = current_plane(self._viewer, noisy, stack)
            region = central_part(plane, 3 if stack.is_rgb else 2)
            view = View(stack, region, settings_of(denoised))
        except ClipDenoiseError as error:
            self.complain(error)
            return
        cancel = CancelToken()
        self.task.start(
            uncertainty_steps,
            view,
            cancel,
            control=cancel,
            take=self._show_passes,
            finish=lambda measured: self._show_spread(measured, noisy, denoised, region),
            message="Estimating uncertainty …",
        )

    def _forget(self) -> None:
        """Clear the verdict on other images."""
        if self.checked is not None:
            self.checked = None
            self.verdict.setText(PROMPT)
            self.figures.clear()
            self.curve.show_curve(*[np.empty(0)] * 3)
            self.map.show_map(np.empty((0, 0)))

    def _show_passes(self, messages: tuple[tuple[int, int], ...]) -> None:
        for done, total in messages[-1:]:
            self.task.show(done / total, f"Estimating uncertainty, {done} of {total}")

    def _show_spread(
        self,
        measured: tuple[np.ndarray, dict[str, Any]],
        noisy: Image,
        denoised: Image,
        region: Region,
    ) -> Steps:
        spread, how = measured
        made = derived_from(noisy, denoised, "uncertainty") | how
        arguments = result_arguments(noisy, f"{denoised.name} uncertainty", made, region)
        if not noisy.rgb:
            arguments |= {
                "colormap": "inferno",
                "contrast_limits": (0, float(np.quantile(spread, 0.999)) or 1.0),
            }
        layer = Image(spread, **arguments | {"blending": "translucent"})
        yield
        self._viewer.add_layer(layer)
        yield
        return "Brighter means less certain. Compare pixels with each other: these are not errors."

    def _chosen(self) -> tuple[Image, Image]:
        noisy, denoised = self.noisy.value, self.denoised.value
        if noisy is None or denoised is None or noisy == denoised:
            raise InputError("Choose two different images: a noisy one and its denoised version.")
        return noisy, denoised

    def _show(
        self, checked: "CheckedSample", residual: Any, noisy: Image, denoised: Image
    ) -> Steps:
        self.checked = checked
        report = checked.report
        self.verdict.setText(f"<b>{report.verdict}</b>")
        self.figures.setText(_figures(checked))
        noise = report.noise
        fitted = np.empty(0) if noise is None else noise.variance(report.intensities)
        self.curve.show_curve(report.intensities, report.variances, fitted)
        self.map.show_map(report.autocorrelation)
        for name in names_of_layers(denoised):
            if name in self._viewer.layers:
                remove(self._viewer, self._viewer.layers[name])
                yield
        layer = residual_layer(residual, noisy, denoised, float(report.residual.std()))
        yield
        self._viewer.add_layer(layer)
        yield
        for kind, places in ((REMOVED, report.removed), (ADDED, report.added)):
            if len(places):
                marks = rings(checked.positions(places), noisy, denoised, kind)
                yield
                self._viewer.add_layer(marks)
                yield
        return ""

    def _images(self, _: object) -> list[tuple[str, Image]]:
        return [(layer.name, layer) for layer in images_of(self._viewer)]

    def _refresh(self, event: Any) -> None:
        for field in (self.noisy, self.denoised, self.reference):
            field.reset_choices()
        if event.type == "inserted" and "source" in event.value.metadata.get(METADATA, {}):
            self._guess()

    def _guess(self) -> None:
        noisy, denoised = guess_pair(images_of(self._viewer))
        if denoised is not None:
            self.noisy.value, self.denoised.value = noisy, denoised


def _figures(checked: "CheckedSample") -> str:
    report = checked.report
    nearby = report.findings.nearby_correlation if report.findings else 0.0
    lines = [
        f"Residual variance: {100 * report.noise_fraction:.0f} % of the noise variance",
        f"Correlation of nearby pixels beyond that of the noise: {nearby:+.2f}",
        f"Correlation between residual and image: {report.image_correlation:+.2f}",
    ]
    leak = report.findings.leak if report.findings else None
    if leak is not None:
        mixed_in = f"{100 * leak:.0f} % of what differs" if leak else "nothing seen"
        lines.append(f"Mixed in from neighbouring planes: {mixed_in}")
    for key, before in checked.scores.items():
        name = key.removesuffix(" noisy")
        if name != key:
            after = checked.scores[f"{name} denoised"]
            digits, unit = (1, " dB") if "PSNR" in name else (3, "")
            lines.append(f"{name}: {before:.{digits}f} → {after:.{digits}f}{unit}")
    return "<br>".join(lines)
