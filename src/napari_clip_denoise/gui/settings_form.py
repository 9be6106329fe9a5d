"""The part of the Denoise widget that holds the settings."""

from pathlib import Path

import napari
from magicgui.types import FileDialogMode
from magicgui.widgets import ComboBox, FileEdit, FloatSpinBox, Slider
from magicgui.widgets.bases import Widget
from napari.layers import Image
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QFormLayout, QVBoxLayout, QWidget
from superqt import QCollapsible

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.gui.model_list import model_list
from napari_clip_denoise.inference.settings import DenoiseSettings, make_settings

CUSTOM = "custom"
INTENSITIES = (
    ("Automatic (shot noise)", "anscombe"),
    ("Percentiles 1 to 99", "percentile"),
    ("Smallest to largest", "minmax"),
    ("Range of the data type", "dtype"),
    ("CT window (HU)", "window"),
    ("Custom range", CUSTOM),
)
DEVICES = (
    ("Automatic", "auto"),
    ("CPU", "cpu"),
    ("NVIDIA GPU (CUDA)", "cuda"),
    ("Apple GPU", "mps"),
)
SCOPES = (("Current plane", False), ("Whole layer", True))
TILES = (("Automatic", None), *((f"{n} px", n) for n in (512, 768, 1024, 2048)))
BATCHES = (("Automatic", None), *((str(n), n) for n in (1, 2, 4, 8, 16, 32)))
PRECISIONS = (
    ("Automatic", "auto"),
    ("float32", "float32"),
    ("bfloat16", "bfloat16"),
    ("float16", "float16"),
)
TYPES = (("Same as the image", None), ("float32", "float32"))
LARGEST = 1e12


class SettingsForm(QWidget):
    """Fields for everything that a run needs to know.

    Parameters
    ----------
    viewer : napari.Viewer
        Whose image layers can be chosen.
    """

    def __init__(self, viewer: napari.Viewer):
        super().__init__()
        self._viewer = viewer
        self.layer = ComboBox(choices=self._layers, tooltip="The layer to denoise.")
        self.model = ComboBox(
            choices=model_list.choices,
            tooltip="'compact' comes with the plugin; models in your models folder follow.",
        )
        self.whole = ComboBox(
            choices=SCOPES,
            value=True,
            tooltip="The plane you see now, to try settings, or every plane of the layer.",
        )
        self.intensity = ComboBox(
            choices=INTENSITIES,
            tooltip="Which raw values become 0 and 1 for the network. They hold for the whole "
            "layer, so planes do not flicker, and are undone afterwards.",
        )
        self.low = FloatSpinBox(min=-LARGEST, max=LARGEST, tooltip="Raw value that becomes 0.")
        self.high = FloatSpinBox(
            value=65535, min=-LARGEST, max=LARGEST, tooltip="Raw value that becomes 1."
        )
        self.strength = Slider(
            value=100,
            max=100,
            tooltip="Share of the noise that is removed: 0 gives the image back.",
        )
        self.store = FileEdit(
            mode=FileDialogMode.OPTIONAL_FILE,
            filter="OME-Zarr (*.zarr)",
            nullable=True,
            value=None,
            tooltip="Optional, whole layer only: an OME-Zarr store such as result.ome.zarr. "
            "Needed for results that do not fit into memory.",
        )
        self.device = ComboBox(choices=DEVICES, tooltip="Automatic takes a GPU where there is one.")
        self.tile = ComboBox(choices=TILES, tooltip="Side of the tiles of a large plane.")
        self.batch = ComboBox(
            choices=BATCHES, tooltip="Planes or tiles in one call of the network."
        )
        self.precision = ComboBox(
            choices=PRECISIONS,
            tooltip="Arithmetic of the network. Automatic: bfloat16 on CUDA, else float32.",
        )
        self.output_dtype = ComboBox(
            choices=TYPES, tooltip="Same as the image: rounded and clipped."
        )
        self._rows = self._lay_out()
        self._rows.setRowVisible(self.low.native, False)
        self._rows.setRowVisible(self.high.native, False)
        self.intensity.changed.connect(self._show_range)
        model_list.keep_up_to_date(self.model, self)
        events = viewer.layers.events
        for event in (events.inserted, events.removed, events.reordered, events.renamed):
            event.connect(self._refresh_layers)
        if isinstance(viewer.layers.selection.active, Image):
            self.layer.value = viewer.layers.selection.active

    def _lay_out(self) -> QFormLayout:
        rows = labelled(
            ("Image", self.layer),
            ("Model", self.model),
            ("Apply to", self.whole),
            ("Intensity", self.intensity),
            ("Low", self.low),
            ("High", self.high),
            ("Strength (%)", self.strength),
            ("Save to", self.store),
        )
        advanced = QWidget()
        advanced.setLayout(
            labelled(
                ("Device", self.device),
                ("Tile", self.tile),
                ("Batch", self.batch),
                ("Precision", self.precision),
                ("Result type", self.output_dtype),
            )
        )
        folded = QCollapsible("Advanced")
        folded.addWidget(advanced)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(rows)
        layout.addWidget(folded)
        return rows

    def showEvent(self, event: QShowEvent | None) -> None:  # noqa: N802
        """Look for models that were added since the form was last shown."""
        self.model.reset_choices()
        super().showEvent(event)

    def chosen_layer(self) -> Image:
        """The layer to denoise.

        Raises
        ------
        InputError
            If there is none.
        """
        layer = self.layer.value
        if layer is None:
            raise InputError("There is no image layer to denoise; open an image first.")
        return layer

    def chosen_store(self) -> Path | None:
        """The store the user named, or None.

        Raises
        ------
        InputError
            If it cannot be used.
        """
        text = self.store.line_edit.value.strip()
        if not text:
            return None
        path = Path(text).expanduser()
        if path.suffix != ".zarr":
            raise InputError(f"The store {path.name} should end in .zarr, such as result.ome.zarr.")
        if not self.whole.value:
            raise InputError("A store holds the whole layer; choose it, or clear 'Save to'.")
        return path

    def settings(self) -> DenoiseSettings:
        """The settings of a run.

        Raises
        ------
        InputError
            If one of them is wrong.
        """
        intensity = self.intensity.value
        return make_settings(
            model=self.model.value,
            intensity=(self.low.value, self.high.value) if intensity == CUSTOM else intensity,
            strength=self.strength.value / 100,
            output_dtype=self.output_dtype.value,
            device=self.device.value,
            precision=self.precision.value,
            tile=self.tile.value,
            batch=self.batch.value,
        )

    def _show_range(self, intensity: str) -> None:
        is_custom = intensity == CUSTOM
        layer = self.layer.value
        if is_custom and isinstance(layer, Image) and not layer.rgb:
            self.low.value, self.high.value = layer.contrast_limits
        self._rows.setRowVisible(self.low.native, is_custom)
        self._rows.setRowVisible(self.high.native, is_custom)

    def _layers(self, _: object) -> list[tuple[str, Image]]:
        return [(layer.name, layer) for layer in self._viewer.layers if isinstance(layer, Image)]

    def _refresh_layers(self) -> None:
        self.layer.reset_choices()


def labelled(*rows: tuple[str, Widget]) -> QFormLayout:
    """Lay out labels and fields in rows."""
    layout = QFormLayout()
    layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    for label, widget in rows:
        layout.addRow(label, widget.native)
    return layout
