"""The settings of a run on a layer, as a form."""

from pathlib import Path

import napari
from magicgui.types import FileDialogMode
from magicgui.widgets import CheckBox, ComboBox, FileEdit
from napari.layers import Image
from psygnal import Signal
from qtpy.QtWidgets import QLineEdit

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.gui.forms.axes import AxesField
from napari_clip_denoise.gui.forms.rows import menu_of_names, show_row
from napari_clip_denoise.gui.forms.runs import Run, run_of, runs_of_each, with_suffix
from napari_clip_denoise.gui.forms.settings import SettingsForm
from napari_clip_denoise.gui.viewer.channels import channels_of
from napari_clip_denoise.gui.viewer.layers import (
    images_of,
    originals_first,
    preferred_image,
    when_layers_change,
)
from napari_clip_denoise.gui.viewer.origin import selected_originals
from napari_clip_denoise.inference.settings import DenoiseSettings

PLANE, WHOLE, CHANNELS, SELECTED = "plane", "layer", "channels", "selected"


class LayerForm(SettingsForm):
    """Fields for all settings of a run on a layer.

    Parameters
    ----------
    viewer : napari.Viewer
        Viewer whose image layers can be chosen.
    """

    targets_changed = Signal()
    """Emitted when other layers or other parts of them would be denoised."""

    def __init__(self, viewer: napari.Viewer):
        super().__init__()
        self._viewer = viewer
        self._targets: tuple[object, ...] = ()
        self._selected: list[Image] = []
        self.layer = menu_of_names(self._layers, "The layer to denoise.")
        self.scope = ComboBox(
            choices=self._scopes,
            tooltip="What to denoise: the plane on screen, the whole layer, all channels of its "
            "image, or all layers that are selected in the layer list.",
        )
        self.store = FileEdit(
            mode=FileDialogMode.OPTIONAL_FILE,
            filter="OME-Zarr (*.zarr)",
            nullable=True,
            value=None,
            tooltip="Optional, for the whole layer: an OME-Zarr file such as result.ome.zarr. "
            "Needed if the result does not fit into memory. Of several layers, each gets a file of "
            "its own, with the name of the layer added.",
        )
        self.scope.value = WHOLE
        self.axes = AxesField()
        self.insert_rows(0, ("Image", self.layer), ("Axes", self.axes), ("Apply to", self.scope))
        self.overwrite = CheckBox(text="", tooltip="Replace the file if it already exists.")
        self.append_rows(("Save to", self.store), ("Allow overwriting", self.overwrite))
        self.store.changed.connect(self._show_overwrite)
        line: QLineEdit = self.store.line_edit.native
        line.editingFinished.connect(self._complete_name)
        self._show_overwrite()
        self.layer.changed.connect(self._offer_scopes)
        self.layer.changed.connect(self.axes.show_layer)
        self.axes.edited.connect(self._offer_scopes)
        self.scope.changed.connect(self._notice_targets)
        when_layers_change(viewer, self._refresh_layers)
        viewer.layers.selection.events.changed.connect(self._follow_selection)
        if (image := preferred_image(viewer)) is not None:
            self.layer.value = image
        self._offer_scopes()
        self._follow_selection()
        self.axes.show_layer(self.layer.value)

    def chosen_layer(self) -> Image:
        """Return the layer to denoise.

        Raises
        ------
        InputError
            If there is none.
        """
        layer = self.layer.value
        if layer is None:
            raise InputError("There is no image layer to denoise; open an image first.")
        return layer

    def layers(self) -> list[Image]:
        """Return the layers to denoise; none if there is no image."""
        layer = self.layer.value
        if self.scope.value == CHANNELS:
            return self._channels()
        if self.scope.value == SELECTED:
            return self._selected
        return [] if layer is None else [layer]

    def runs(self) -> list[Run]:
        """Return the images to denoise: one, or each of the selected layers.

        Raises
        ------
        InputError
            If there is none, one cannot be denoised, or a result cannot be saved.
        """
        self.chosen_layer()
        layers, store = self.layers(), self.chosen_store()
        if self.scope.value == SELECTED:
            return runs_of_each(layers, store)
        return [run_of(layers, store)]

    def chosen_store(self) -> Path | None:
        """Return the OME-Zarr file that the user named, or None.

        Raises
        ------
        InputError
            If it cannot be used.
        """
        text = self.store.line_edit.value.strip()
        if not text:
            return None
        path = with_suffix(Path(text).expanduser())
        if self.scope.value == PLANE:
            raise InputError(
                "Only a whole layer can be saved; choose 'Whole layer', or clear 'Save to'."
            )
        return path

    def first_range(self) -> tuple[float, float] | None:
        """Return the contrast limits of the layer; None for RGB or without a layer."""
        layer = self.layer.value
        return None if layer is None or layer.rgb else tuple(layer.contrast_limits)

    def _layers(self, _: object) -> list[tuple[str, Image]]:
        return [(layer.name, layer) for layer in originals_first(images_of(self._viewer))]

    def _complete_name(self) -> None:
        """Show the name that the file will get."""
        try:
            path = self.chosen_store()
        except InputError:  # the run will say so
            return
        if path is not None and str(path) != self.store.line_edit.value:
            self.store.value = path

    def _show_overwrite(self) -> None:
        is_saved = bool(self.store.line_edit.value.strip())
        show_row(self._rows, self.overwrite.native, is_saved)

    def _scopes(self, _: object) -> list[tuple[str, str]]:
        channels, selected = self._channels(), self._selected
        several = []
        if len(channels) > 1:
            several.append((f"All {len(channels)} channels", CHANNELS))
        if len(selected) > 1 and selected != channels:
            several.append((f"The {len(selected)} selected layers", SELECTED))
        return [("Current plane", PLANE), ("Whole layer", WHOLE), *several]

    def _channels(self) -> list[Image]:
        layer = self.layer.value
        return [] if layer is None else channels_of(self._viewer, layer)

    def _refresh_layers(self) -> None:
        self.layer.reset_choices()
        self._follow_selection()
        self._offer_scopes()

    def _offer_scopes(self) -> None:
        """Choose all channels where there are several, unless only a plane is wanted."""
        scope, had_several = self.scope.value, CHANNELS in self.scope.choices
        self.scope.reset_choices()
        has_several = CHANNELS in self.scope.choices
        is_other_layer = scope == SELECTED and self.layer.value not in self._selected
        if scope not in self.scope.choices or is_other_layer:
            scope = CHANNELS if has_several else WHOLE
        elif scope == WHOLE and has_several and not had_several:
            scope = CHANNELS
        self.scope.value = scope
        self._notice_targets()

    def _follow_selection(self) -> None:
        """Choose the selected layers once there are several, unless only a plane is wanted."""
        selected = selected_originals(self._viewer)
        if selected == self._selected:
            return
        self._selected = selected
        is_wanted = len(selected) > 1 and self.scope.value != PLANE
        if is_wanted and self.layer.value not in selected:
            self.layer.value = selected[-1]
        self._offer_scopes()
        if is_wanted and SELECTED in self.scope.choices:
            self.scope.value = SELECTED

    def _notice_targets(self) -> None:
        targets = (self.scope.value, *self.layers())
        if targets != self._targets:
            self._targets = targets
            self.targets_changed.emit()


def settings_in(viewer: napari.Viewer) -> DenoiseSettings:
    """Return the settings in the Denoise widget of a window, or the defaults if it is not open.

    Raises
    ------
    InputError
        If a setting is invalid.
    """
    for panel in viewer.window.dock_widgets.values():
        form = getattr(panel, "form", None)
        if isinstance(form, LayerForm):
            return form.settings()
    return DenoiseSettings()
