"""Settings that are kept between sessions; napari shows them in its Preferences."""

from typing import Any

from napari_clip_denoise.gui.forms.settings import SettingsForm

PLUGIN = "napari-clip-denoise"
FIELDS = ("model", "intensity", "strength", "device", "precision")


def restore(form: SettingsForm) -> None:
    """Fill a form with the settings used last; a model that no longer exists is skipped."""
    kept = _kept()
    for name in FIELDS if kept is not None else ():
        field, value = getattr(form, name), getattr(kept, name)
        if value in getattr(field, "choices", (value,)):
            field.value = value


def remember(form: SettingsForm) -> None:
    """Save the settings of a form, except for a custom range, which only suits its own image."""
    kept = _kept()
    for name in FIELDS if kept is not None else ():
        value = getattr(form, name).value
        if (name, value) != ("intensity", "custom") and getattr(kept, name) != value:
            setattr(kept, name, value)


def _kept() -> Any:
    """Return the plugin's settings, or None if napari has none (before 0.9, or when disabled)."""
    try:
        from napari.settings import get_plugin_settings

        return get_plugin_settings(PLUGIN).denoise
    except (ImportError, KeyError):
        return None
