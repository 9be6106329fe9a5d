"""Units of length and time under their OME-NGFF names, and the symbols that files use."""

_PREFIXES = {
    "Y": "yotta",
    "Z": "zetta",
    "E": "exa",
    "P": "peta",
    "T": "tera",
    "G": "giga",
    "M": "mega",
    "k": "kilo",
    "h": "hecto",
    "da": "deca",
    "": "",
    "d": "deci",
    "c": "centi",
    "m": "milli",
    "µ": "micro",
    "n": "nano",
    "p": "pico",
    "f": "femto",
    "a": "atto",
    "z": "zepto",
    "y": "yocto",
}
_EXPONENTS = (24, 21, 18, 15, 12, 9, 6, 3, 2, 1, 0, -1, -2, -3, -6, -9, -12, -15, -18, -21, -24)
_POWERS = dict(zip(_PREFIXES, _EXPONENTS, strict=True))
_NOT_NGFF = {"decameter", "decasecond"}
LENGTHS = {f"{name}meter": f"{symbol}m" for symbol, name in _PREFIXES.items()} | {
    "angstrom": "Å",
    "inch": "in",
    "foot": "ft",
    "yard": "yd",
    "mile": "mi",
    "parsec": "pc",
}
"""Symbol of each unit of length, as in OME-TIFF."""
TIMES = {f"{name}second": f"{symbol}s" for symbol, name in _PREFIXES.items()} | {
    "minute": "min",
    "hour": "h",
    "day": "d",
}
"""Symbol of each unit of time, as in OME-TIFF."""
METERS = {f"{name}meter": 10.0 ** _POWERS[symbol] for symbol, name in _PREFIXES.items()} | {
    "angstrom": 1e-10,
    "inch": 0.0254,
    "foot": 0.3048,
    "yard": 0.9144,
    "mile": 1609.344,
    "parsec": 3.0856775814913673e16,
}
"""Length of each unit of length in metres."""
SECONDS = {f"{name}second": 10.0 ** _POWERS[symbol] for symbol, name in _PREFIXES.items()} | {
    "minute": 60.0,
    "hour": 3600.0,
    "day": 86400.0,
}
"""Length of each unit of time in seconds."""
NGFF = {"space": LENGTHS.keys() - _NOT_NGFF, "time": TIMES.keys() - _NOT_NGFF}
"""Units that OME-NGFF knows for each type of axis."""
_OTHER_WORDS = {
    "micron": "micrometer",
    "um": "micrometer",
    "u": "micrometer",
    "mc": "micrometer",
    "us": "microsecond",
    "sec": "second",
    "msec": "millisecond",
    "usec": "microsecond",
    "hr": "hour",
    "a": "angstrom",
    "ångström": "angstrom",
    "ångstrom": "angstrom",
    '"': "inch",
}


def unit_name(text: object) -> str | None:
    r"""Return the OME-NGFF name of a unit, or None if it is unknown or none, such as pixels.

    Parameters
    ----------
    text : object
        A symbol or a word, such as ``"µm"``, ``"microns"``, ``"\u00B5m"`` or ``"centimetre"``.
    """
    word = str(text or "").strip().strip("\0")
    for micro in ("\\u00B5", "\\u00b5", "μ", "Âµ"):
        word = word.replace(micro, "µ")
    for name, symbol in (*LENGTHS.items(), *TIMES.items()):
        if word == symbol:
            return name
    lower = word.lower().replace("metre", "meter")
    for candidate in (lower, lower.removesuffix("s"), lower.removesuffix("es")):
        if candidate in METERS or candidate in SECONDS:
            return candidate
        if candidate in _OTHER_WORDS:
            return _OTHER_WORDS[candidate]
    return None


def converted(value: float, unit: str | None, target: str) -> float | None:
    """Convert a length or time between units.

    Parameters
    ----------
    value : float
        Length or time.
    unit : str or None
        Unit of `value`.
    target : str
        Unit of the result.

    Returns
    -------
    float or None
        The converted value; None if a unit is unknown, or if one is a length and the other a time.
    """
    for factors in (METERS, SECONDS):
        if unit in factors and target in factors:
            return value * (factors[unit] / factors[target])
    return None
