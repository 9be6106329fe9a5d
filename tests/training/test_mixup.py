import numpy as np
import torch

from napari_clip_denoise.training.data.augment import mix_up


def test_mixing_keeps_pairs_together():
    rng = np.random.default_rng(0)
    noisy = torch.arange(8.0).reshape(8, 1, 1, 1)
    mixed = [mix_up(noisy, noisy + 1, rng, chance=0.5) for _ in range(60)]
    changed = [pair for pair in mixed if not torch.equal(pair[0], noisy)]
    assert 15 < len(changed) < 45
    for first, second in changed:
        torch.testing.assert_close(second - first, torch.ones_like(first))
        assert first.min() >= 0
        assert first.max() <= 7


def test_without_strength_or_chance_nothing_is_mixed():
    rng = np.random.default_rng(0)
    noisy = torch.arange(8.0)
    assert mix_up(noisy, noisy, rng, chance=1, strength=0)[0] is noisy
    assert mix_up(noisy, noisy, rng, chance=0)[0] is noisy
