"""The settings of a run, as a form."""

from magicgui.widgets import CheckBox, ComboBox, FloatSpinBox, Slider
from magicgui.widgets.bases import Widget
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QFormLayout, QVBoxLayout, QWidget

from napari_clip_denoise.gui.forms.folded import Folded
from napari_clip_denoise.gui.forms.rows import add_row, labelled, menu_of_names, show_row
from napari_clip_denoise.gui.model_list import model_list
from napari_clip_denoise.images.intensity_methods import INTENSITIES
from napari_clip_denoise.inference.settings import (
    PRESETS,
    DenoiseSettings,
    PresetName,
    make_settings,
)
from napari_clip_denoise.models.folder import AUTO

CUSTOM = "custom"
AUTOMATIC = ("Automatic", AUTO)
PRESET_CHOICES = (("General", "general"), ("CT (Hounsfield units)", "ct"), ("Custom", None))
INTENSITY_CHOICES = (
    *((method.label, name) for name, method in INTENSITIES.items()),
    ("Custom range", CUSTOM),
)
NOISE_LEVELS = (("Automatic", "auto"), ("Unknown", "blind"), ("Custom", CUSTOM))
HOT_PIXELS = (("Keep", "keep"), ("Replace", "replace"))
DESTRIPE = (("Keep", "off"), ("Remove horizontal", "rows"), ("Remove vertical", "columns"))
DEVICES = (
    ("Automatic", "auto"),
    ("CPU", "cpu"),
    ("NVIDIA GPU (CUDA)", "cuda"),
    ("Apple GPU", "mps"),
)
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
    """Fields for the settings of a run, on layers or on files."""

    def __init__(self) -> None:
        super().__init__()
        self.preset = ComboBox(
            choices=PRESET_CHOICES,
            tooltip="Settings for a kind of image; each can still be changed below.",
        )
        self.model = menu_of_names(
            lambda menu: [AUTOMATIC, *model_list.choices(menu)],
            "Automatic uses the built-in model that suits the image: 'compact', or 'compact-rgb' "
            "for RGB. Your own models are listed too.",
        )
        self.intensity = ComboBox(
            choices=INTENSITY_CHOICES,
            tooltip="How raw values are scaled for the network. The scaling is the same for the "
            "whole image, so planes do not flicker, and it is undone afterwards.",
        )
        self.low = FloatSpinBox(min=-LARGEST, max=LARGEST, tooltip="Raw value that is scaled to 0.")
        self.high = FloatSpinBox(
            value=65535, min=-LARGEST, max=LARGEST, tooltip="Raw value that is scaled to 1."
        )
        self.noise_level = ComboBox(
            choices=NOISE_LEVELS,
            tooltip="How strong the noise is, for models that need this. Automatic measures it in "
            "the image; with Unknown, the model estimates it from each plane.",
        )
        self.deviation = FloatSpinBox(
            value=10, min=0, max=LARGEST, tooltip="Standard deviation of the noise in raw values."
        )
        self.hot_pixels = ComboBox(
            choices=HOT_PIXELS,
            tooltip="Isolated pixels that are far too bright or too dark: keep them in the result, "
            "or replace them by their surroundings. They never disturb their neighbours.",
        )
        self.destripe = ComboBox(
            choices=DESTRIPE,
            tooltip="Rows or columns that are brighter or darker as a whole, as from a scanner or "
            "an sCMOS camera. Removing them takes contrast from structures as long as a line.",
        )
        self.neighbours = CheckBox(
            text="",
            tooltip="Average each plane with those before and after it where they look the same, "
            "then denoise: for z-stacks and slow movies. Takes twice as long. Do not use it to "
            "measure fast signals. Needs a model that uses the noise level, such as 'compact'.",
        )
        self.align = CheckBox(
            text="",
            tooltip="Also look for the structure of a plane where its neighbours have drifted to, "
            "by up to 16 pixels, as a stage or a sample that moves slowly.",
        )
        self.strength = Slider(
            value=100,
            max=100,
            tooltip="How much of the noise is removed; 0 returns the image unchanged.",
        )
        self.self_ensemble = CheckBox(
            text="",
            tooltip="Average the predictions over eight rotated and flipped copies: about 0.1 dB "
            "better, eight times slower.",
        )
        self.device = ComboBox(choices=DEVICES, tooltip="Automatic uses a GPU if there is one.")
        self.tile = ComboBox(
            choices=TILES, tooltip="Size of the tiles that large planes are divided into."
        )
        self.batch = ComboBox(
            choices=BATCHES, tooltip="Number of planes or tiles that are processed at once."
        )
        self.precision = ComboBox(
            choices=PRECISIONS,
            tooltip="Number format of the computation. Automatic: bfloat16 on NVIDIA GPUs, else "
            "float32.",
        )
        self.output_dtype = ComboBox(
            choices=TYPES,
            tooltip="Same as the image: values are rounded and clipped to its data type.",
        )
        self.check = CheckBox(
            value=True,
            text="",
            tooltip="Check up to five planes of the result, and say whether only noise was "
            "removed. Takes about 5 % of the time.",
        )
        self._rows = self._lay_out()
        show_row(self._rows, self.low.native, False)
        show_row(self._rows, self.high.native, False)
        show_row(self._rows, self.align.native, False)
        self.neighbours.changed.connect(lambda used: show_row(self._rows, self.align.native, used))
        self.preset.changed.connect(self._use_preset)
        self.intensity.changed.connect(self._show_range)
        self.intensity.changed.connect(self._show_preset)
        model_list.keep_up_to_date(self.model.reset_choices, self)

    def _lay_out(self) -> QFormLayout:
        rows = labelled(
            ("Model", self.model),
            ("Preset", self.preset),
            ("Intensity", self.intensity),
            ("Low", self.low),
            ("High", self.high),
            ("Use neighbours", self.neighbours),
            ("Align planes", self.align),
            ("Strength (%)", self.strength),
        )
        advanced = labelled(
            ("Noise level", self.noise_level),
            ("Standard deviation", self.deviation),
            ("Hot pixels", self.hot_pixels),
            ("Stripes", self.destripe),
            ("Self-ensemble", self.self_ensemble),
            ("Device", self.device),
            ("Tile size", self.tile),
            ("Batch size", self.batch),
            ("Precision", self.precision),
            ("Result data type", self.output_dtype),
            ("Check the result", self.check),
        )
        show_row(advanced, self.deviation.native, False)
        self.noise_level.changed.connect(
            lambda level: show_row(advanced, self.deviation.native, level == CUSTOM)
        )
        self.advanced = Folded("Advanced", advanced)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(rows)
        layout.addWidget(self.advanced)
        return rows

    def insert_rows(self, position: int, *rows: tuple[str, Widget | QWidget]) -> None:
        """Add custom fields above the row at `position`.

        Parameters
        ----------
        position : int
            Index of a row.
        *rows : tuple of (str, Widget or QWidget)
            Label and field of each new row.
        """
        for label, widget in reversed(rows):
            add_row(self._rows, label, widget, position)

    def append_rows(self, *rows: tuple[str, Widget]) -> None:
        """Add custom fields below the others."""
        for label, widget in rows:
            add_row(self._rows, label, widget)

    def showEvent(self, event: QShowEvent | None) -> None:  # noqa: N802
        """Find models that were added since the form was last shown."""
        self.model.reset_choices()
        super().showEvent(event)

    def settings(self) -> DenoiseSettings:
        """Return the settings of a run.

        Raises
        ------
        InputError, ModelError
            If a setting is invalid, or the model cannot be used yet.
        """
        model_list.check(self.model.value)
        intensity = self.intensity.value
        noise_level = self.noise_level.value
        return make_settings(
            model=self.model.value,
            hot_pixels=self.hot_pixels.value,
            destripe=self.destripe.value,
            noise_level=self.deviation.value if noise_level == CUSTOM else noise_level,
            intensity=(self.low.value, self.high.value) if intensity == CUSTOM else intensity,
            context=int(self.neighbours.value),
            context_align=self.neighbours.value and self.align.value,
            strength=self.strength.value / 100,
            self_ensemble=self.self_ensemble.value,
            output_dtype=self.output_dtype.value,
            check=self.check.value,
            device=self.device.value,
            precision=self.precision.value,
            tile=self.tile.value,
            batch=self.batch.value,
        )

    def first_range(self) -> tuple[float, float] | None:
        """Return the initial values of a custom range, or None to keep the current ones."""
        return None

    def _use_preset(self, name: PresetName | None) -> None:
        for field, value in PRESETS[name].items() if name else ():
            getattr(self, field).value = value

    def _show_preset(self) -> None:
        with self.preset.changed.blocked():
            self.preset.value = next(
                (
                    name
                    for name, fields in PRESETS.items()
                    if all(getattr(self, field).value == value for field, value in fields.items())
                ),
                None,
            )

    def _show_range(self, intensity: str) -> None:
        is_custom = intensity == CUSTOM
        if is_custom and (known := self.first_range()):
            self.low.value, self.high.value = known
        show_row(self._rows, self.low.native, is_custom)
        show_row(self._rows, self.high.native, is_custom)
