"""Settings that are kept between sessions; napari shows them in its Preferences."""

from typing import Any

from napari_clip_denoise.gui.forms.settings import (
    AUTOMATIC,
    CUSTOM,
    DEVICES,
    INTENSITY_CHOICES,
    PRECISIONS,
    SettingsForm,
)

PLUGIN = "napari-clip-denoise"
FIELDS: dict[str, dict[str, str]] = {
    "model": dict([AUTOMATIC]),
    "intensity": dict(INTENSITY_CHOICES),
    "strength": {},
    "device": dict(DEVICES),
    "precision": dict(PRECISIONS),
}
"""Fields that are kept, with the values of their labels. Preferences show the labels."""


def restore(form: SettingsForm) -> None:
    """Fill a form with the settings used last; a model that no longer exists is skipped."""
    kept = _kept()
    for name in FIELDS if kept is not None else ():
        field, label = getattr(form, name), getattr(kept, name)
        value = FIELDS[name].get(label, label)
        if value in getattr(field, "choices", (value,)):
            field.value = value


def remember(form: SettingsForm) -> None:
    """Save the settings of a form, except for a custom range, which only suits its own image."""
    kept = _kept()
    for name in FIELDS if kept is not None else ():
        value = getattr(form, name).value
        label = next((label for label, each in FIELDS[name].items() if each == value), value)
        if (name, value) != ("intensity", CUSTOM) and getattr(kept, name) != label:
            setattr(kept, name, label)


def _kept() -> Any:
    """Return the plugin's settings, or None if napari has none (before 0.9, or when disabled)."""
    try:
        from napari.settings import get_plugin_settings

        return get_plugin_settings(PLUGIN).denoise
    except (ImportError, KeyError):
        return None
