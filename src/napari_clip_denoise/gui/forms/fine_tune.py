"""The settings of the Fine-tune widget, as a form."""

import itertools
from pathlib import Path
from typing import Any

import napari
from magicgui.types import FileDialogMode
from magicgui.widgets import ComboBox, FileEdit, FloatSpinBox, LineEdit
from napari.layers import Image
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.gui.forms.rows import labelled, menu_of_names, show_row
from napari_clip_denoise.gui.forms.settings import DEVICES
from napari_clip_denoise.gui.model_list import model_list
from napari_clip_denoise.gui.viewer.layers import (
    axes_of,
    images_of,
    is_derived,
    preferred_image,
    stack_of,
    when_layers_change,
)
from napari_clip_denoise.images.axes import leading_axes
from napari_clip_denoise.models.registry import entries
from napari_clip_denoise.training.finetune.registry import objective_choices
from napari_clip_denoise.training.finetune.settings import FineTuneSettings, make_fine_tune_settings

FOLDER = "folder"
NAME = "my-microscope"
NOTHING, CLEAN, REPEATS, AXIS = "nothing", "clean", "repeats", "axis"
KINDS = (
    ("Nothing else", NOTHING),
    ("Clean images of the same fields", CLEAN),
    ("Repeats of the same fields", REPEATS),
    ("Repeats along an axis", AXIS),
)


class FineTuneForm(QWidget):
    """Fields for all settings of a fine-tuning.

    Parameters
    ----------
    viewer : napari.Viewer
        Viewer whose image layers can be chosen.
    """

    def __init__(self, viewer: napari.Viewer):
        super().__init__()
        self._viewer = viewer
        self._is_chosen = False
        self.noisy = menu_of_names(self._sources, "The noisy images to train on.")
        self.noisy_folder = _folder("Folder with noisy images.")
        self.kind = ComboBox(
            choices=KINDS,
            tooltip="More images of the same fields, if you have any; they give a better model.",
        )
        self.other = menu_of_names(self._sources, "The clean or repeated images.")
        self.other_folder = _folder(
            "Folder with the clean or repeated images; files are matched by name."
        )
        self.repeat_axis = ComboBox(
            choices=self._axes, tooltip="Axis along which a still sample was imaged repeatedly."
        )
        self.objective = ComboBox(
            choices=objective_choices(),
            tooltip="How the model learns. Automatic measures the noise, chooses and says why.",
        )
        self.model = menu_of_names(model_list.trainable, "The model to start from.")
        self.minutes = FloatSpinBox(
            value=15, min=0.1, max=10_000, step=1, tooltip="How long to train."
        )
        self.minutes.native.setDecimals(1)
        self.device = ComboBox(choices=DEVICES, tooltip="Automatic uses a GPU if there is one.")
        self.name = LineEdit(
            value=free_name(NAME), tooltip="Name of the new model: letters, digits and . _ -"
        )
        self._rows = labelled(
            ("Images", self.noisy),
            ("Folder", self.noisy_folder),
            ("Also available", self.kind),
            ("Other images", self.other),
            ("Other folder", self.other_folder),
            ("Repeats along", self.repeat_axis),
            ("Training method", self.objective),
            ("Base model", self.model),
            ("Training time (min)", self.minutes),
            ("Device", self.device),
            ("New model name", self.name),
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(self._rows)
        model_list.keep_up_to_date(self.model.reset_choices, self)
        for field in (self.noisy, self.kind, self.other):
            field.changed.connect(self._show_rows)
        when_layers_change(viewer, self._refresh_layers)
        self._prefer_layer()
        self._show_rows()

    def showEvent(self, event: QShowEvent | None) -> None:  # noqa: N802
        """Find models that were added since the form was last shown, and keep the name free."""
        self.model.reset_choices()
        self.propose_name()
        super().showEvent(event)

    def sources(self) -> dict[str, Any]:
        """Return the images, by the names of `fine_tune`'s arguments.

        Raises
        ------
        InputError
            If some are missing.
        """
        kind = self.kind.value
        only_clean = self.objective.value == "synthetic" and kind == NOTHING
        if only_clean:
            raise InputError(
                "Synthetic noise needs clean images; choose them under 'Also available'."
            )
        found = {"noisy": _chosen(self.noisy, self.noisy_folder)}
        if kind in (CLEAN, REPEATS):
            found[kind] = _chosen(self.other, self.other_folder)
        return found

    def settings(self) -> FineTuneSettings:
        """Return the settings.

        Raises
        ------
        InputError
            If a setting is invalid.
        ModelError
            If the base model cannot be used yet.
        """
        model_list.check(self.model.value)
        return make_fine_tune_settings(
            name=self.name.value.strip(),
            model=self.model.value,
            objective=self.objective.value,
            repeat_axis=self.repeat_axis.value if self.kind.value == AXIS else None,
            minutes=self.minutes.value,
            device=self.device.value,
        )

    def propose_name(self) -> None:
        """Change the name to a free one, if a model has it."""
        self.name.value = free_name(self.name.value.strip())

    def _show_rows(self) -> None:
        pairs = self.kind.value in (CLEAN, REPEATS)
        self.repeat_axis.reset_choices()
        for field, is_shown in (
            (self.noisy_folder, self.noisy.value == FOLDER),
            (self.other, pairs),
            (self.other_folder, pairs and self.other.value == FOLDER),
            (self.repeat_axis, self.kind.value == AXIS),
        ):
            show_row(self._rows, field.native, is_shown)

    def _sources(self, _: object) -> list[tuple[str, Any]]:
        """Offer images; those that this plugin made come last, so that none is the default."""
        layers = images_of(self._viewer)
        originals = [(layer.name, layer) for layer in layers if not is_derived(layer)]
        derived = [(layer.name, layer) for layer in layers if is_derived(layer)]
        return [*originals, ("A folder …", FOLDER), *derived]

    def _axes(self, _: object) -> list[str]:
        layer = self.noisy.value
        return list(leading_axes(axes_of(layer))) if isinstance(layer, Image) else ["t"]

    def _refresh_layers(self) -> None:
        self.noisy.reset_choices()
        self.other.reset_choices()
        self._prefer_layer()

    def _prefer_layer(self) -> None:
        """Choose an image if neither a layer nor a folder has been chosen yet."""
        image = preferred_image(self._viewer)
        is_open = self.noisy.value == FOLDER and not self.noisy_folder.line_edit.value
        if image is not None and (is_open or not self._is_chosen):
            self.noisy.value = image
        self._is_chosen = self.noisy.value != FOLDER


def free_name(name: str) -> str:
    """Return a name, with the next free number if a model already has it."""
    taken = {entry.name for entry in entries()}
    if name not in taken:
        return name
    stem, _, number = name.rpartition("-")
    stem = stem if stem and number.isdecimal() else name
    return next(each for n in itertools.count(2) if (each := f"{stem}-{n}") not in taken)


def _folder(tooltip: str) -> FileEdit:
    return FileEdit(
        mode=FileDialogMode.EXISTING_DIRECTORY, nullable=True, value=None, tooltip=tooltip
    )


def _chosen(field: ComboBox, folder: FileEdit) -> Any:
    if isinstance(field.value, Image):
        return stack_of(field.value)
    text = folder.line_edit.value.strip()
    if not text:
        raise InputError("There are no images to train on; choose a layer or a folder.")
    return Path(text).expanduser()
