"""Which family a weights file is of, told from its keys and shapes, not from its name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .files import read_metadata
from .load import read_shapes

Shapes = Mapping[str, tuple[int, ...]]

_WRAPPERS = ("module.", "backbone.", "_orig_mod.")
_CONV_PRE = ("conv_pre.weight", "conv_pre.weight_v", "conv_pre.parametrizations.weight.original1")
_MMAUDIO = {
    (448, 20, False): "small_16k",
    (448, 40, False): "small_44k",
    (896, 40, False): "large_44k",
    (896, 40, True): "large_44k_v2",
}


@dataclass(frozen=True)
class Family:
    """What a file is. name: family; variant: size or rate, "" where there is one only."""

    name: str
    variant: str = ""

    def __str__(self) -> str:
        return f"{self.name} ({self.variant})" if self.variant else self.name


def detect(path: Path | str) -> Family | None:
    """The family of a file, None when it is none that is known.

    Raises FoleyError when it is no weights file.
    """
    path = Path(path)
    shapes = read_shapes(path)
    about = read_metadata(path) if path.suffix == ".safetensors" else {}
    if about.get("family"):
        return Family(about["family"], about.get("variant", ""))
    return detect_shapes(shapes)


def detect_shapes(shapes: Shapes) -> Family | None:
    """As `detect`, from shapes by key."""
    shapes = _unwrapped(shapes)
    for rule in (_generator, _encoder, _vocoder, _codec):
        family = rule(shapes)
        if family is not None:
            return family
    return None


def _unwrapped(shapes: Shapes) -> dict[str, tuple[int, ...]]:
    for prefix in _WRAPPERS:
        if shapes and all(key.startswith(prefix) for key in shapes):
            shapes = {key[len(prefix) :]: shape for key, shape in shapes.items()}
    return dict(shapes)


def _any(shapes: Shapes, *prefixes: str) -> bool:
    return any(key.startswith(prefixes) for key in shapes)


def _generator(shapes: Shapes) -> Family | None:
    if "audio_input_proj.0.weight" in shapes and _any(shapes, "joint_blocks."):
        if "audio_feature_proj.0.weight" in shapes:
            return Family("ac_foley")
        return Family("mmaudio", _mmaudio_size(shapes))
    if "decoder_pos_embed" in shapes and _any(shapes, "sideblocks."):
        return Family("mdsgen", {192: "t", 384: "s", 768: "b", 1024: "l"}.get(_last(shapes), ""))
    if _any(shapes, "model.model.transformer.layers."):
        whole = _any(shapes, "pretransform.model.")
        return Family("stable_audio", "with codec" if whole else "network")
    if "classifier.weight" in shapes and _any(shapes, "input_blocks."):
        return Family("diff_foley_classifier")
    if _any(shapes, "model.diffusion_model.") and _any(shapes, "first_stage_model."):
        return Family("latent_diffusion")
    return None


def _last(shapes: Shapes) -> int:
    return shapes["decoder_pos_embed"][-1]


def _mmaudio_size(shapes: Shapes) -> str:
    hidden, latent = shapes["audio_input_proj.0.weight"][:2]
    second = "clip_input_proj.2.w1.weight" in shapes
    joint = {key.split(".")[1] for key in shapes if key.startswith("joint_blocks.")}
    if (hidden, len(joint), second) == (896, 4, False):
        return "medium_44k"
    return _MMAUDIO.get((hidden, latent, second), "")


def _encoder(shapes: Shapes) -> Family | None:
    if _any(shapes, "vfeat_extractor."):
        whole = _any(shapes, "afeat_extractor.")
        return Family("synchformer", "whole" if whole else "visual")
    if "video_encoder.conv1.conv.weight" in shapes:
        return Family("cavp")
    if _any(shapes, "audio_model.audio_encoder."):
        return Family("clap", "transformers")
    if _any(shapes, "text_branch.", "module.text_branch."):
        return Family("clap", "laion")
    bare = {key.removeprefix("model.").removeprefix("clip."): v for key, v in shapes.items()}
    if "visual.conv1.weight" in bare and _any(bare, "transformer.resblocks.", "text."):
        return Family("clip", _clip_size(bare["visual.conv1.weight"], "open_clip"))
    patches = "vision_model.embeddings.patch_embedding.weight"
    if patches in bare and _any(bare, "text_model."):
        return Family("clip", _clip_size(bare[patches], "transformers"))
    if "encoder.embeddings.patch_embeddings.proj.weight" in shapes:
        return Family("vjepa2", _vjepa2_size(shapes["encoder.layer.0.norm1.weight"][0]))
    if len(shapes.get("patch_embed.proj.weight", ())) == 5 and "blocks.0.norm1.weight" in shapes:
        return Family("vjepa2", _vjepa2_size(shapes["blocks.0.norm1.weight"][0]))
    if "encoder.block.0.layer.0.SelfAttention.q.weight" in shapes:
        return Family("t5", str(shapes["encoder.block.0.layer.0.SelfAttention.q.weight"][1]))
    return None


def _clip_size(patches: tuple[int, ...], layout: str) -> str:
    size = "vit-h-14" if patches[0] == 1280 and patches[-1] == 14 else f"width {patches[0]}"
    return f"{size}, {layout}"


def _vjepa2_size(width: int) -> str:
    return {1024: "l", 1280: "h", 1408: "g"}.get(width, "")


def _vocoder(shapes: Shapes) -> Family | None:
    bands = next((shapes[key][1] for key in _CONV_PRE if key in shapes), None)
    if bands is not None:
        if "resblocks.0.activations.0.act.alpha" in shapes:
            return Family("bigvgan", {80: "16k", 128: "44k"}.get(bands, ""))
        return Family("hifigan", {64: "audioldm", 80: "22k"}.get(bands, ""))
    if "model.1.weight_v" in shapes and len(shapes["model.1.weight_v"]) == 3:
        return Family("melgan")
    return None


def _codec(shapes: Shapes) -> Family | None:
    if "data_mean" in shapes and "decoder.learnable_gain" in shapes:
        return Family("mmaudio_vae", {80: "16k", 128: "44k"}.get(shapes["data_mean"][1], ""))
    if "quantize.embedding.weight" in shapes:
        return Family("specvqgan")
    if "encoder.conv_in.weight" in shapes:
        # One channel is a mel, three are a picture.
        return Family("audioldm_vae" if shapes["encoder.conv_in.weight"][1] == 1 else "image_vae")
    if _any(shapes, "pretransform.model.encoder.layers.", "encoder.layers.0.weight"):
        return Family("oobleck")
    if _any(shapes, "encoder.block.0.weight") and _any(shapes, "decoder.model."):
        return Family("dac_vae")
    return None
