"""The models that widgets offer, and word of new ones."""

from magicgui.widgets import ComboBox
from psygnal import Signal
from qtpy.QtWidgets import QWidget

from napari_clip_denoise.models.registry import CLIP_MODEL, entries


class ModelList:
    """What the widgets' menus of models show."""

    changed = Signal()
    """Emitted when a model was added, so that every menu shows it at once."""

    def keep_up_to_date(self, menu: ComboBox, owner: QWidget) -> None:
        """Show new models in a menu as long as its owner lives."""
        self.changed.connect(menu.reset_choices)
        owner.destroyed.connect(
            lambda: self.changed.disconnect(menu.reset_choices, missing_ok=True)
        )

    @staticmethod
    def choices(_: object) -> list[tuple[str, str]]:
        """List label and name of each model, for a magicgui ``ComboBox``."""
        names = [entry.name for entry in entries()]
        choices = [(name, name) for name in names]
        if CLIP_MODEL not in names:
            choices.append((f"{CLIP_MODEL} (needs a decoder)", CLIP_MODEL))
        return choices


model_list = ModelList()
