"""Comparison of the fingerprints of an interrupted run and its continuation."""

import json
from typing import Any


def difference(then: dict[str, Any], now: dict[str, Any]) -> str | None:
    """Describe the first difference between two fingerprints; None if they are equal."""
    now = json.loads(json.dumps(now))
    for key in {**now, **then}:
        if then.get(key) != now.get(key):
            return f"{key} {_short(then.get(key))} then, {_short(now.get(key))} now"
    return None


def _short(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
