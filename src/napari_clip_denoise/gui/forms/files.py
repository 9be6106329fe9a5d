"""The images, settings and destination of a batch, as a form."""

from pathlib import Path

from magicgui.types import FileDialogMode
from magicgui.widgets import CheckBox, ComboBox, Container, FileEdit, LineEdit, PushButton
from qtpy.QtWidgets import QFileDialog

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.formats.discover import find_sources
from napari_clip_denoise.formats.outputs import Source, without_results
from napari_clip_denoise.formats.table import MENU
from napari_clip_denoise.gui.forms.settings import SettingsForm

SEPARATOR = ";"
FORMATS = (("Same as the input", None), *MENU)
EXISTING = (("Skip the file", "skip"), ("Replace the output", "replace"))


class BatchForm(SettingsForm):
    """Fields for all settings of a batch."""

    def __init__(self) -> None:
        super().__init__()
        self.inputs = LineEdit(
            tooltip="A folder, files, or patterns such as /data/*.tif, separated by semicolons. "
            "A folder with a DICOM series counts as one image, and each scene of a microscope's "
            "file (CZI, ND2, LIF …) as one."
        )
        self.folder_button = PushButton(text="Folder …", tooltip="Choose a folder of images.")
        self.files_button = PushButton(text="Files …", tooltip="Choose one or more files.")
        self.folder_button.changed.connect(self._choose_folder)
        self.files_button.changed.connect(self._choose_files)
        buttons = Container(
            widgets=[self.folder_button, self.files_button], layout="horizontal", labels=False
        )
        buttons.margins = (0, 0, 0, 0)
        self.pattern = LineEdit(
            value="*",
            tooltip="Which files to use from folders, such as *.tif; **/*.tif includes subfolders.",
        )
        self.output = FileEdit(
            mode=FileDialogMode.EXISTING_DIRECTORY,
            nullable=True,
            value=None,
            tooltip="Folder for the results; each keeps the name of its file.",
        )
        self.format = ComboBox(choices=FORMATS, tooltip="File format of the results.")
        self.existing = ComboBox(
            choices=EXISTING, tooltip="What to do if the result of a file already exists."
        )
        self.keep_folders = CheckBox(
            text="",
            value=False,
            tooltip="Write the result of a file in a subfolder into a subfolder of the same name.",
        )
        self.insert_rows(0, ("Images", self.inputs), ("", buttons), ("Pattern", self.pattern))
        self.append_rows(
            ("Save to", self.output),
            ("Format", self.format),
            ("If the output exists", self.existing),
            ("Keep folders", self.keep_folders),
        )

    def chosen_sources(self) -> list[Source]:
        """Return the files to denoise, without the results of an earlier batch.

        Raises
        ------
        InputError
            If there are none.
        """
        inputs = self._chosen_inputs()
        if not inputs:
            raise InputError("There are no images to denoise; choose a folder or files.")
        results = self.output.line_edit.value.strip() or None
        sources = [Source(p) for p in find_sources(inputs, self.pattern.value, results=results)]
        if results is None:
            return sources
        return without_results(sources, results, self.format.value, self.kept_folders())

    def chosen_folder(self) -> Path:
        """Return the folder for the results.

        Raises
        ------
        InputError
            If none is named.
        """
        text = self.output.line_edit.value.strip()
        if not text:
            raise InputError("There is no folder for the results; choose one under 'Save to'.")
        return Path(text).expanduser()

    def kept_folders(self) -> tuple[Path, ...]:
        """Return the folders and patterns whose subfolders the results keep; empty for none."""
        return tuple(self._chosen_inputs()) if self.keep_folders.value else ()

    def _chosen_inputs(self) -> list[Path]:
        parts = (part.strip() for part in self.inputs.value.split(SEPARATOR))
        return [Path(part).expanduser() for part in parts if part]

    def _choose_folder(self) -> None:
        if folder := QFileDialog.getExistingDirectory(self, "Folder of images"):
            self.inputs.value = folder

    def _choose_files(self) -> None:
        files, _ = QFileDialog.getOpenFileNames(self, "Images")
        if files:
            self.inputs.value = f"{SEPARATOR} ".join(files)
