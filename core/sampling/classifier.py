"""Classifier guidance: predictions led to where a sound and its video are taken for one clip.

Source: Diff-Foley (arXiv 2306.17203, equation 8), as MDSGen (arXiv 2410.02130) uses it with its
image latent.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import FoleyError
from ..generators.mdsgen import MDSGen
from .alignment_network import AlignmentClassifier
from .dpm_solver import LINEAR, NoiseSchedule


class RootLinear(NoiseSchedule):
    """Diff-Foley's betas: even in their square roots."""

    @property
    def betas(self):
        return super().betas ** 2


DIFF_FOLEY = RootLinear(first_beta=math.sqrt(0.00085), last_beta=math.sqrt(0.012))
_CODEC = "image-vae"


class ClassifierGuidance:
    """`adjust` of `sample_noise_predictor`: noise - scale sigma grad_x log p(x, video).

    The classifier was trained with other betas, so it is asked at the step of its own schedule that
    has the same ratio of data to noise, and x is brought to that step's size.

    Args:
        features: CAVP features `[1 or B, 32, 512]` of the take.
        scale: 2 in MDSGen, 50 in Diff-Foley; 0 changes nothing.

    Raises:
        FoleyError: a generator on another latent, or a scale that is not a number.
    """

    def __init__(
        self,
        classifier: AlignmentClassifier,
        generator: MDSGen,
        features: Tensor,
        scale: float = 2.0,
        *,
        schedule: NoiseSchedule = LINEAR,
    ) -> None:
        if generator.codec != _CODEC:
            raise FoleyError(
                f"The alignment classifier hears latents of {_CODEC}, but this model makes those "
                f"of {generator.codec}; leave classifier guidance away."
            )
        if not math.isfinite(scale):
            raise FoleyError(f"The scale of classifier guidance must be a number, not {scale}.")
        self.classifier, self.generator, self.features = classifier, generator, features
        self.scale, self.schedule = scale, schedule

    def __call__(self, x: Tensor, t: float, noise: Tensor) -> Tensor:
        """The adjusted noise `[B, N, C]` of x at network time t."""
        if not self.scale:
            return noise
        time = t / self.schedule.steps + self.schedule.end
        alpha, sigma = self.schedule.alpha_sigma(time)
        other = DIFF_FOLEY.time_of_log_snr(math.log(alpha / sigma))
        size = DIFF_FOLEY.alpha_sigma(other)[0] / alpha
        step = DIFF_FOLEY.network_time(other)
        picture = self.generator.picture_of(x).float() * size
        gradient = log_probability_gradient(
            self.classifier, picture, torch.full((len(x),), step), self.features
        )
        return noise - self.scale * sigma * size * self.generator.frames_of(gradient)


def log_probability_gradient(
    classifier: AlignmentClassifier, latent: Tensor, t: Tensor, features: Tensor
) -> Tensor:
    """grad_x log p of latents (B, 4, 16, N) at steps t (B,), features (1 or B, n, 512)."""
    like = next(classifier.parameters())
    with torch.inference_mode(False), torch.enable_grad():
        x = latent.detach().clone().to(like).requires_grad_()
        heard = features.detach().clone().to(like).expand(len(x), -1, -1)
        logit = classifier(x, t.to(like.device), heard)
        return torch.autograd.grad(F.logsigmoid(logit).sum(), x)[0].to(latent)
