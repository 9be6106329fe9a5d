"""Procedural textures: regular patterns, dead leaves and glyphs."""

from collections.abc import Callable

import numpy as np

CHECKERS = {1: 0.6, 2: 0.1, 3: 0.1, 4: 0.1, 8: 0.1}
"""Sides of the squares of a checkerboard, and how often they are drawn."""
FINEST_LINES = 0.5
"""Fraction of the lines that are one pixel wide and one pixel apart."""
PERIODS = (2.0, 24.0)
LEAVES = 120
PIXELATED = 0.3
"""Fraction of the leaves whose border follows the pixels."""
GLYPH = (7, 5)


def texture(size: int, rng: np.random.Generator) -> np.ndarray:
    """Draw a plane (size, size) of a random texture and contrast, float32 in [0, 1].

    Parameters
    ----------
    size : int
        Side of the plane in pixels.
    rng : numpy.random.Generator
        Random number generator.
    """
    kind: Callable[[int, np.random.Generator], np.ndarray] = rng.choice(
        np.array([checker, grating, lines, glyphs, dead_leaves]), p=[0.3, 0.15, 0.2, 0.1, 0.25]
    )
    contrast = np.exp(rng.uniform(np.log(0.1), 0))
    return (rng.uniform(0, 1 - contrast) + contrast * kind(size, rng)).astype(np.float32)


def checker(size: int, rng: np.random.Generator) -> np.ndarray:
    """Draw a checkerboard of small squares."""
    side = rng.choice(list(CHECKERS), p=list(CHECKERS.values()))
    y, x = np.mgrid[:size, :size] + rng.integers(0, 2 * side, (2, 1, 1))
    return ((y // side + x // side) % 2).astype(np.float32)


def grating(size: int, rng: np.random.Generator) -> np.ndarray:
    """Draw a sinusoidal or rectangular grating of a random direction."""
    period = np.exp(rng.uniform(*np.log(PERIODS)))
    angle = rng.uniform(0, np.pi)
    y, x = np.mgrid[:size, :size].astype(np.float32)
    phase = 2 * np.pi * (x * np.cos(angle) + y * np.sin(angle)) / period
    wave = 0.5 + 0.5 * np.sin(phase + rng.uniform(0, 2 * np.pi))
    return wave if rng.random() < 0.6 else np.clip(period * (wave - 0.5) / np.pi + 0.5, 0, 1)


def lines(size: int, rng: np.random.Generator) -> np.ndarray:
    """Draw parallel lines of 1 to 3 pixels along the rows."""
    is_finest = rng.random() < FINEST_LINES
    width, gap = (1, 1) if is_finest else (rng.integers(1, 4), rng.integers(1, 9))
    profile = (np.arange(size) + rng.integers(0, 24)) % (width + gap) < width
    return np.repeat(profile[:, np.newaxis], size, axis=1).astype(np.float32)


def glyphs(size: int, rng: np.random.Generator) -> np.ndarray:
    """Draw lines of random glyphs, like those of a text."""
    scale = int(rng.integers(1, 4))
    height, width = GLYPH[0] + 3, GLYPH[1] + 1
    rows, columns = size // (height * scale) + 1, size // (width * scale) + 1
    alphabet = np.pad(rng.random((24, *GLYPH)) < 0.5, ((0, 0), (2, 1), (0, 1)))
    alphabet[0] = False
    letters = alphabet[rng.integers(0, len(alphabet), (rows, columns))]
    page = letters.transpose(0, 2, 1, 3).reshape(rows * height, columns * width)
    page = np.kron(page, np.ones((scale, scale)))[:size, :size].astype(np.float32)
    return 1 - page if rng.random() < 0.5 else page


def dead_leaves(size: int, rng: np.random.Generator) -> np.ndarray:
    """Draw discs and rectangles that cover each other, some of them textured.

    References
    ----------
    Lee, Mumford, Huang, "Occlusion models for natural images", IJCV 2001.
    """
    y, x = np.mgrid[:size, :size].astype(np.float32)
    plane = np.full((size, size), rng.random(), np.float32)
    for _ in range(LEAVES):
        radius = np.exp(rng.uniform(np.log(3), np.log(size / 4)))
        angle = rng.uniform(0, np.pi)
        down, right = y - rng.uniform(0, size), x - rng.uniform(0, size)
        u = np.cos(angle) * right + np.sin(angle) * down
        v = np.cos(angle) * down - np.sin(angle) * right
        v = v * rng.uniform(0.6, 2)
        distance = np.hypot(u, v) if rng.random() < 0.6 else np.maximum(np.abs(u), np.abs(v))
        cover = np.clip(radius - distance + 0.5, 0, 1)
        if rng.random() < PIXELATED:
            cover = cover.round()
        leaf: float | np.ndarray = rng.random()
        if rng.random() < 0.3:
            pattern = (checker, grating, lines)[rng.integers(3)]
            leaf = leaf + rng.uniform(0.05, 0.4) * (pattern(size, rng) - 0.5)
        plane += cover * (leaf - plane)
    return np.clip(plane, 0, 1)
