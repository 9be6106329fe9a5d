"""The models that widgets offer, and word of those that come or go."""

from collections.abc import Callable

from psygnal import Signal
from qtpy.QtWidgets import QWidget

from napari_clip_denoise.models.folder import CLIP_MODEL
from napari_clip_denoise.models.registry import entries


class ModelList:
    """What the widgets' menus of models show."""

    changed = Signal()
    """Emitted when models came or went, so that every menu shows it at once."""

    def keep_up_to_date(self, refresh: Callable[[], object], owner: QWidget) -> None:
        """Refresh a menu when models come or go, as long as its owner lives."""
        self.changed.connect(refresh)
        owner.destroyed.connect(lambda: self.changed.disconnect(refresh, missing_ok=True))

    @staticmethod
    def choices(_: object) -> list[tuple[str, str]]:
        """List label and name of each model, for a magicgui ``ComboBox``."""
        names = [entry.name for entry in entries()]
        choices = [(name, name) for name in names]
        if CLIP_MODEL not in names:
            choices.append((f"{CLIP_MODEL} (needs a decoder)", CLIP_MODEL))
        return choices


model_list = ModelList()
