"""The models that widgets offer, and a signal for changes of that list."""

from collections.abc import Callable

from psygnal import Signal
from qtpy.QtWidgets import QWidget

from napari_clip_denoise.errors import ModelError
from napari_clip_denoise.models.folder import CLIP_MODEL
from napari_clip_denoise.models.registry import entries
from napari_clip_denoise.models.zoo.files import is_package


class ModelList:
    """Models for the menus of the widgets."""

    changed = Signal()
    """Emitted when models were added or removed, so that every menu is updated at once."""

    def keep_up_to_date(self, refresh: Callable[[], object], owner: QWidget) -> None:
        """Refresh a menu when models are added or removed, until its owner is destroyed.

        Parameters
        ----------
        refresh : callable
            Refreshes the menu.
        owner : QWidget
            Widget that contains the menu.
        """
        self.changed.connect(refresh)
        owner.destroyed.connect(lambda: self.changed.disconnect(refresh, missing_ok=True))

    @staticmethod
    def check(name: str) -> None:
        """Check that a model is complete.

        Raises
        ------
        ModelError
            If it has no decoder yet; the message names the buttons that help.
        """
        if name == CLIP_MODEL and CLIP_MODEL not in [entry.name for entry in entries()]:
            raise ModelError(
                f"The model '{CLIP_MODEL}' has no decoder yet; choose it in the Denoise panel and "
                "press 'Train it here' or 'Import a checkpoint …' there."
            )

    @staticmethod
    def trainable(_: object) -> list[tuple[str, str]]:
        """Return the same for the models that can be trained on, which packages cannot."""
        packages = {entry.name for entry in entries() if is_package(entry.path)}
        return [choice for choice in ModelList.choices(_) if choice[1] not in packages]

    @staticmethod
    def choices(_: object) -> list[tuple[str, str]]:
        """Return the label and name of each model, for a magicgui ``ComboBox``."""
        names = [entry.name for entry in entries()]
        choices = [(name, name) for name in names]
        if CLIP_MODEL not in names:
            choices.append((f"{CLIP_MODEL} (needs a decoder)", CLIP_MODEL))
        return choices


model_list = ModelList()
