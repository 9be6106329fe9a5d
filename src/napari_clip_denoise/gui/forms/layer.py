"""The settings of a run on a layer, as a form."""

from pathlib import Path

import napari
from magicgui.types import FileDialogMode
from magicgui.widgets import CheckBox, ComboBox, FileEdit
from napari.layers import Image
from qtpy.QtWidgets import QLineEdit

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.formats.table import FORMATS
from napari_clip_denoise.gui.forms.axes import AxesField
from napari_clip_denoise.gui.forms.rows import menu_of_names, show_row
from napari_clip_denoise.gui.forms.settings import SettingsForm
from napari_clip_denoise.gui.viewer.channels import channels_of, stack_of_channels
from napari_clip_denoise.gui.viewer.layers import (
    images_of,
    originals_first,
    preferred_image,
    stack_of,
    when_layers_change,
)
from napari_clip_denoise.images.stack import Stack
from napari_clip_denoise.inference.settings import DenoiseSettings

PLANE, WHOLE, CHANNELS = "plane", "layer", "channels"


class LayerForm(SettingsForm):
    """Fields for all settings of a run on a layer.

    Parameters
    ----------
    viewer : napari.Viewer
        Viewer whose image layers can be chosen.
    """

    def __init__(self, viewer: napari.Viewer):
        super().__init__()
        self._viewer = viewer
        self.layer = menu_of_names(self._layers, "The layer to denoise.")
        self.scope = ComboBox(
            choices=self._scopes,
            tooltip="Only the plane on screen, to try settings, or the whole layer, or all "
            "channels of its image at once.",
        )
        self.store = FileEdit(
            mode=FileDialogMode.OPTIONAL_FILE,
            filter="OME-Zarr (*.zarr)",
            nullable=True,
            value=None,
            tooltip="Optional, for the whole layer: an OME-Zarr file such as result.ome.zarr. "
            "Needed if the result does not fit into memory.",
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
        self.layer.changed.connect(self._offer_channels)
        self.layer.changed.connect(self.axes.show_layer)
        self.axes.edited.connect(self._offer_channels)
        when_layers_change(viewer, self._refresh_layers)
        if (image := preferred_image(viewer)) is not None:
            self.layer.value = image
        self._offer_channels()
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
        return [] if layer is None else [layer]

    def stack(self) -> Stack:
        """Return the image to denoise, with a channel axis if all channels are chosen.

        Raises
        ------
        InputError
            If there is none.
        """
        layer, layers = self.chosen_layer(), self.layers()
        return stack_of(layer) if len(layers) == 1 else stack_of_channels(layers)

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
        channels = self._channels()
        several = [(f"All {len(channels)} channels", CHANNELS)] if len(channels) > 1 else []
        return [("Current plane", PLANE), ("Whole layer", WHOLE), *several]

    def _channels(self) -> list[Image]:
        layer = self.layer.value
        return [] if layer is None else channels_of(self._viewer, layer)

    def _refresh_layers(self) -> None:
        self.layer.reset_choices()
        self._offer_channels()

    def _offer_channels(self) -> None:
        """Choose all channels where there are several, unless only a plane is wanted."""
        scope, had_several = self.scope.value, CHANNELS in self.scope.choices
        self.scope.reset_choices()
        has_several = CHANNELS in self.scope.choices
        if scope == CHANNELS and not has_several:
            scope = WHOLE
        elif scope == WHOLE and has_several and not had_several:
            scope = CHANNELS
        self.scope.value = scope


def with_suffix(path: Path) -> Path:
    """Return the path of an OME-Zarr file, whose suffix may have been left out.

    Raises
    ------
    InputError
        If the path is that of a folder or of a file of another format.
    """
    if path.suffix == ".zarr":
        return path
    if path.is_dir():
        raise InputError(f"{path} is a folder; add the name of a file, such as result.ome.zarr.")
    others = [f.name for f in FORMATS if not f.is_store and path.suffix and f.writes(path)]
    if others:
        raise InputError(
            f"{path.name} would be a file of the format {others[0]}, but only OME-Zarr can be "
            "written here; give a name such as result.ome.zarr."
        )
    return path.with_name(f"{path.name.removesuffix('.ome')}.ome.zarr")


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
