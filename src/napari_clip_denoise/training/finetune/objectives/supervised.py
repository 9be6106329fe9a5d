"""Learning from noisy images with clean ones."""

from napari_clip_denoise.training.data.pairs import check_pair
from napari_clip_denoise.training.data.patches import mapped_source
from napari_clip_denoise.training.data.sources import pair_up
from napari_clip_denoise.training.finetune.objective import Objective
from napari_clip_denoise.training.finetune.plan import Plan, Request, plan_against_targets


class Supervised(Objective):
    """Objective for noisy images with clean ones of the same fields."""

    name = "supervised"
    allow_mixup = True

    @classmethod
    def plan(cls, request: Request) -> Plan:
        """Pair the images, and fit the clean ones to the scale of the noisy ones."""
        pairs = pair_up(request.images.noisy, request.images.clean, "clean")
        lines = [check_pair(first, second, clean=True) for first, second in pairs]
        n_fitted = sum(not line.is_identity for line in lines)
        notes: tuple[str, ...] = ()
        if n_fitted:
            notes = (
                f"{n_fitted} of {len(lines)} clean images have another intensity scale than the "
                "noisy ones; they were matched by least squares.",
            )
        intensity = request.settings.intensity
        sources = [
            mapped_source(
                first, intensity, request.noise_level, other=second, line=line, is_clean=True
            )
            for (first, second), line in zip(pairs, lines, strict=True)
        ]
        reason = "supervised: there are clean images of the same fields."
        return plan_against_targets(cls(), sources, request, reason, notes)
