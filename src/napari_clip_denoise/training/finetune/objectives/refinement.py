"""Learning from noisy images alone by removing re-simulated noise from the model's output."""

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.training.data.refinement import cameras, excerpts
from napari_clip_denoise.training.finetune.objective import Objective
from napari_clip_denoise.training.finetune.plan import (
    Plan,
    Request,
    blind_validation,
    describe,
    patch_pool,
)


class Refinement(Objective):
    """Objective for noisy images alone: the initial model denoises them, and noise is added again.

    The network learns to remove this noise from images of this kind. It can only be as good as the
    initial model and the noise measurement: it cannot learn structure that the model has missed.

    References
    ----------
    Zhang et al., "IDR: self-supervised image denoising via iterative data refinement", CVPR 2022,
    with a trained model in place of their first round.
    """

    name = "refinement"
    allow_mixup = True
    learning_rate = 1e-3
    augmentation_level = 0.0

    @classmethod
    def plan(cls, request: Request) -> Plan:
        """Denoise excerpts of the images, and measure their noise."""
        if request.denoise is None:
            raise InputError(
                "The objective refinement needs a model that can denoise already; begin with "
                "another model, or choose noise2void."
            )
        taken = excerpts(request.sources)
        noisy = patch_pool([excerpt.source for excerpt in taken], request)
        validator = blind_validation(noisy, request)
        noises = cameras(taken, request.settings.intensity)
        sources = [
            excerpt.refined(request.denoise, noise, noisy.samples)
            for excerpt, noise in zip(taken, noises, strict=True)
        ]
        return Plan(
            pool=patch_pool(sources, request),
            objective=cls(),
            validator=validator,
            reason=f"refinement: {request.why}.",
            notes=(),
            noise=noises[0].describe() + "; others alike" * (len(noises) > 1),
            data=describe(sources),
        )
