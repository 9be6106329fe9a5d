"""The Compare widget."""

from typing import Any

import napari
from napari.layers import Image
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QLabel, QPushButton

from napari_clip_denoise.errors import ClipDenoiseError, InputError
from napari_clip_denoise.evaluation.scores.baselines import BASELINES
from napari_clip_denoise.formatting import counted
from napari_clip_denoise.gui.forms.checklist import Checklist
from napari_clip_denoise.gui.forms.layer import settings_in
from napari_clip_denoise.gui.forms.rows import labelled, menu_of_names
from napari_clip_denoise.gui.llvm import keep_triton_out
from napari_clip_denoise.gui.model_list import model_list
from napari_clip_denoise.gui.panel.base import TaskPanel, in_a_row
from napari_clip_denoise.gui.panel.turns import Steps, at_once, in_steps
from napari_clip_denoise.gui.parts.tile_names import TileNames
from napari_clip_denoise.gui.viewer.layers import (
    METADATA,
    images_of,
    originals_first,
    preferred_image,
    result_arguments,
    stack_of,
    when_layers_change,
)
from napari_clip_denoise.gui.viewer.origin import offset_in
from napari_clip_denoise.gui.viewer.region_of_interest import region_of_interest
from napari_clip_denoise.gui.viewer.tiles import Tiles
from napari_clip_denoise.images.intensity_methods import intensity_label
from napari_clip_denoise.images.regions import Region
from napari_clip_denoise.inference.preview import View, central_part
from napari_clip_denoise.inference.progress import CancelToken
from napari_clip_denoise.inference.settings import DenoiseSettings
from napari_clip_denoise.models.folder import DEFAULT_MODEL
from napari_clip_denoise.models.registry import entries

CHOSEN_FIRST = [DEFAULT_MODEL, "gaussian", "nlm"]
MOST_PIXELS = 2**18


class CompareWidget(TaskPanel):
    """Shows the results of several methods on the visible region, side by side.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        Viewer with the layers.
    """

    def __init__(self, napari_viewer: napari.Viewer):
        super().__init__("Stop; finished results are kept.")
        self._viewer = napari_viewer
        self.layer = menu_of_names(self._images, "The noisy image.")
        self.reference = menu_of_names(
            lambda widget: [("None", None), *self._images(widget)],
            "Optional: the ground truth, or a much less noisy image; adds PSNR and SSIM.",
        )
        self.methods = Checklist()
        self.methods.setToolTip("Models, then classical methods, which need no training.")
        self.methods.offer(_methods(), CHOSEN_FIRST)
        self.tiles = Tiles(napari_viewer, self._show_tiles)
        self.names = TileNames(self, self.tiles.cells)
        self.closed.connect(self.names.clear)
        self.closed.connect(lambda: at_once(self.tiles.clear()))
        model_list.keep_up_to_date(self._refresh_methods, self)
        self.run_button = QPushButton("Compare")
        self.run_button.setToolTip(
            "Denoise the view or the selected shape (at most its central 512 x 512 pixels) with "
            "each method, and show the results side by side in napari's grid. Models use the "
            "settings of the Denoise panel."
        )
        self.run_button.clicked.connect(self.run)
        self.clear_button = QPushButton("Clear")
        self.clear_button.setToolTip("Remove the results and leave the grid.")
        self.clear_button.clicked.connect(self._clear)
        self.clear_button.setEnabled(False)
        self.task.follow(idle=(self.run_button,))
        self.label = QLabel("")
        self.label.setWordWrap(True)
        rows = labelled(
            ("Image", self.layer), ("Reference", self.reference), ("Methods", self.methods)
        )
        buttons = in_a_row(self.run_button, self.cancel_button, self.clear_button)
        self.lay_out(rows, buttons, self.progress, self.label)
        when_layers_change(napari_viewer, self._refresh)
        if (image := preferred_image(napari_viewer)) is not None:
            self.layer.value = image

    def showEvent(self, event: QShowEvent | None) -> None:  # noqa: N802
        """Find models that were added or removed since the panel was last shown."""
        self._refresh_methods()
        super().showEvent(event)

    def run(self) -> None:
        """Compare the chosen methods on the visible region."""
        if self.is_running:
            return
        try:
            layer, view, reference = self._view()
        except ClipDenoiseError as error:
            self.complain(error)
            return
        chosen = self.methods.chosen()
        models = [name for name in chosen if name not in BASELINES]
        baselines = [name for name in chosen if name in BASELINES]
        cancel = CancelToken()
        keep_triton_out()
        self._clear()
        self.task.start(
            _compare,
            view,
            models,
            baselines,
            reference,
            cancel,
            control=cancel,
            take=lambda made: self._show(made, layer, view.region, 1 + len(chosen)),
            finish=lambda _: (
                f"Compared {counted(len(chosen), 'method')}. "
                f"Settings of the models: {_say(view.settings)}."
            ),
            give_up=lambda: "Cancelled; finished results were kept.",
            message="Comparing …",
        )

    def _view(self) -> tuple[Image, View, Any]:
        layer = self.layer.value
        if layer is None:
            raise InputError("There is no image layer to denoise; open an image first.")
        if not self.methods.chosen():
            raise InputError("There is nothing to compare; choose at least one method.")
        stack = stack_of(layer)
        wanted = region_of_interest(self._viewer, layer, stack)
        region = central_part(wanted, 3 if stack.is_rgb else 2, MOST_PIXELS)
        reference = None
        if self.reference.value is not None:
            offset = offset_in(self.reference.value, layer)
            moved = [
                slice(part.start + shift, part.stop + shift)
                for part, shift in zip(region, offset, strict=True)
            ]
            reference = stack_of(self.reference.value), tuple(moved)
        return layer, View(stack, region, settings_in(self._viewer)), reference

    def _clear(self) -> None:
        self.task.turns.add(in_steps(self.tiles.clear))

    def _show(self, made: Any, layer: Image, region: Region, total: int) -> Steps:
        arguments = result_arguments(layer, made.title, made.provenance, region)
        arguments["metadata"][METADATA]["is"] = "comparison"
        tile = Image(made.pixels, **arguments)
        yield
        yield from self.tiles.add(tile, made.details)
        done = len(self.tiles.layers)
        self.task.show(done / total, f"{done - 1} of {counted(total - 1, 'method')}")

    def _show_tiles(self) -> None:
        self.label.setText("\n".join(self.tiles.details))
        has_tiles = bool(self.tiles.layers)
        self.clear_button.setEnabled(has_tiles)
        (self.names.refresh if has_tiles else self.names.clear)()

    def _images(self, _: object) -> list[tuple[str, Image]]:
        return [(layer.name, layer) for layer in originals_first(images_of(self._viewer))]

    def _refresh_methods(self) -> None:
        """Update the list of methods, in their order, and keep those that are chosen."""
        self.methods.offer(_methods(), self.methods.chosen())

    def _refresh(self) -> None:
        self.layer.reset_choices()
        self.reference.reset_choices()


def _methods() -> list[tuple[str, str]]:
    """Return the label and name of each method."""
    models = [(f"Model {entry.name}", entry.name) for entry in entries()]
    return models + [(each.label, name) for name, each in BASELINES.items() if each.is_available]


def _say(settings: DenoiseSettings) -> str:
    """Describe the settings besides the model, such as ``intensity 0 to 255, strength 80 %``."""
    ensemble = ", self-ensemble" if settings.self_ensemble else ""
    intensity = intensity_label(settings.intensity)
    return f"intensity {intensity}, strength {100 * settings.strength:.0f}\u00a0%{ensemble}"


def _compare(
    view: View, models: list[str], baselines: list[str], reference: Any, cancel: CancelToken
) -> Any:
    from napari_clip_denoise.evaluation.side_by_side import compare_view

    truth = None if reference is None else reference[0].read(reference[1])
    yield from compare_view(view, models, baselines, truth, cancel)
