"""The alignment classifier is the published one, and its guidance goes where it says."""

from __future__ import annotations

from dataclasses import replace

import case as golden
import pytest
import torch
import torch.nn.functional as F
from foleystage.core.errors import FoleyError
from foleystage.core.generators import MDSGen, mdsgen_config
from foleystage.core.sampling.alignment_network import AlignmentClassifier
from foleystage.core.sampling.classifier import (
    DIFF_FOLEY,
    ClassifierGuidance,
    log_probability_gradient,
)
from procedural import randn
from safetensors.torch import save_file


@pytest.fixture(scope="module")
def case():
    return golden.load("diff_foley_classifier")


@pytest.fixture(scope="module")
def classifier(case):
    network = AlignmentClassifier()
    network.load_state_dict(case.state_dict())
    return network.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def inputs(case):
    video = F.normalize(randn("diff_foley_classifier.video", [2, 32, 512]), dim=-1)
    return case.input("x"), torch.tensor([500.0, 37.5]), video


def small(codec):
    config = replace(mdsgen_config("t", codec), depth=2, decode_layer=1, hidden_dim=16, num_heads=2)
    return MDSGen(config, rng=torch.Generator().manual_seed(0)).eval()


def test_probability_matches(case, classifier, inputs):
    x, t, video = inputs
    assert case.error("probability", classifier(x, t, video).sigmoid()) < case.tolerance


def test_gradient_matches(case, classifier, inputs):
    x, t, video = inputs
    gradient = log_probability_gradient(classifier, x, t, video)
    assert case.error("grad_log_probability", gradient) < case.tolerance


def test_a_public_file_is_read(case, classifier, inputs, tmp_path):
    others = {"cond_model.linear.weight": torch.zeros(2, 2), "betas": torch.zeros(3)}
    state = {f"model.{k}": v for k, v in case.state_dict().items()}
    save_file({**state, **others}, tmp_path / "classifier.safetensors")
    loaded = AlignmentClassifier.load(tmp_path / "classifier.safetensors")
    assert torch.allclose(loaded(*inputs), classifier(*inputs), atol=1e-5)


def test_guidance_raises_the_probability(classifier, inputs):
    generator, video = small("image-vae"), inputs[2][:1]
    x = generator.frames_of(inputs[0][:1])
    t, noise = 400.0, torch.zeros_like(x)
    guided = ClassifierGuidance(classifier, generator, video, 2000.0)(x, t, noise)

    def probability(latent):
        picture = generator.picture_of(latent)
        return classifier(picture, torch.tensor([DIFF_FOLEY.network_time(0.4)]), video)

    assert float(probability(x - guided) - probability(x)) > 0


def test_same_noise_level_is_another_step():
    # Halfway through MDSGen's betas there is more noise than halfway through Diff-Foley's.
    from foleystage.core.sampling import LINEAR

    assert 0.5 < DIFF_FOLEY.time_of_log_snr(LINEAR.log_snr(0.5)) < 0.8


def test_a_scale_of_zero_changes_nothing(classifier, inputs):
    generator = small("image-vae")
    x = generator.frames_of(inputs[0])
    noise = torch.randn_like(x)
    guidance = ClassifierGuidance(classifier, generator, inputs[2], 0.0)
    assert guidance(x, 10.0, noise) is noise


def test_the_other_latent_and_no_number_are_refused(classifier, inputs):
    with pytest.raises(FoleyError, match="image-vae"):
        ClassifierGuidance(classifier, small("audioldm"), inputs[2])
    with pytest.raises(FoleyError, match="must be a number"):
        ClassifierGuidance(classifier, small("image-vae"), inputs[2], float("nan"))
