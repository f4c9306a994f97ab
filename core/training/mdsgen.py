"""Recipes of MDSGen: noise prediction with and without masked tokens, on scenes or on videos.

Source: MDSGen (arXiv 2410.02130, sections 3.3 and 4) and its public code's loss: noise error
weighted by min(SNR, 5) / SNR (arXiv 2303.09556) and the variance bound of arXiv 2102.09672.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ..codecs import load_codec
from ..codecs.mel_picture import MelPictureCodec
from ..encoders.cavp import CavpVideo
from ..encoders.foley_mini import BIN_RATE, sync_from_events
from ..generators.base import Prepared
from ..generators.figures import write_figures
from ..generators.mdsgen import MDSGen
from ..generators.mdsgen_checkpoint import RECORDED
from ..generators.mdsgen_config import mdsgen_config
from ..generators.mdsgen_mini import MDSGenMini, mdsgen_mini
from ..sampling.schedule import LOG_ALPHAS, STEPS
from ..scenes import sample_scene
from ..scenes.pairs import scene_sound
from ..scenes.scene import Split
from ..weights.schema import Count, Natural, Seconds, Share
from ..weights.store import locate
from .batches import device_of, on_device
from .clips import event_targets, map_scenes
from .masking import Masking, kept_tokens
from .video_folder import Extractor, ShardData, read_list, write_shards

_CLEAN_ONE_IN = 5
# The registry's rows of each codec's parts.
_CODEC_FILES = {
    "audioldm": {"vae": "audioldm_vae", "vocoder": "audioldm_hifigan"},
    "image-vae": {"vae": "diff_foley_ldm"},
}


@dataclass(frozen=True)
class MDSGenFigures:
    """Data, network and loss of a run.

    mask_weight: the paper's lambda. masked_share: part of a batch that is also predicted masked.
    snr_cap: of the noise error's weight; 0 for none. size: "mini", trained on our scenes with
    the other figures in place of those of `mdsgen_mini`; or "t", "s", "b", "l", trained on the
    videos of a list, see `video_folder`, whose latents are of `codec`.
    """

    size: str = "mini"
    codec: str = "audioldm"
    csv: str = ""
    videos: str = ""

    clips: Count = 4000
    validation_clips: Count = 64
    clip_seconds: Seconds = 7.68
    batch: Count = 16
    mask: Masking = "temporal"
    mask_ratio: float = 0.3
    mask_weight: float = 1.0
    masked_share: Share = 1.0
    drop: Share = 0.1
    snr_cap: float = 5.0
    bound_weight: float = 1.0
    seed: Natural = 0
    pooling: str = "none"
    depth: Count = 4
    hidden_dim: Count = 192
    num_heads: Count = 6
    learn_sigma: bool = False
    workers: Natural = 2


class SceneRow:
    """Latent and events of one scene, picklable. No picture is drawn."""

    def __init__(self, split: Split, seconds: float):
        self.split, self.seconds = split, seconds
        self._codec: MelPictureCodec | None = None

    def __getstate__(self):
        return {**self.__dict__, "_codec": None}

    @torch.no_grad()
    def __call__(self, seed: int) -> dict[str, np.ndarray]:
        if self._codec is None:
            self._codec = MelPictureCodec.load()
        scene = sample_scene(seed, self.split, seconds=self.seconds, hard=seed % _CLEAN_ONE_IN > 0)
        sound = torch.from_numpy(scene_sound(scene, self._codec.sample_rate)[1])
        return {
            "latent": self._codec.encode(sound[None, None])[0].half().numpy(),
            "events": event_targets(scene, BIN_RATE).astype(np.float16),
        }


class SceneData:
    """Crops of cached scenes: latents and the true events as the generator's stream."""

    def __init__(self, figures: MDSGenFigures, cache: Path):
        self.figures = figures
        self.config = mdsgen_mini()
        self.train = self._rows("train", figures.clips, cache)
        self.validation = self._rows("validation", figures.validation_clips, cache)

    def _rows(self, split: Split, count: int, cache: Path) -> dict[str, np.ndarray]:
        seconds = self.figures.clip_seconds
        note = {"split": split, "seconds": seconds, "codec": "mel_picture_codec", "version": 1}
        make = SceneRow(split, seconds)
        return map_scenes(make, count, cache / f"mdsgen_{split}", note, self.figures.workers)

    def crops(
        self, rng: np.random.Generator, size: int, validation: bool
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Latents `[B, N, C]` in the network's space and the streams of as many takes."""
        rows = self.validation if validation else self.train
        step, c = self.config.window_step, self.config
        starts = int(round((self.figures.clip_seconds - c.trained_seconds) / step)) + 1
        picked = rng.choice(len(rows["latent"]), size)
        first = rng.integers(0, starts, size) * step
        latent = _crop(rows["latent"], picked, first * c.latent.rate, c.frames)
        events = _crop(
            rows["events"], picked, first * BIN_RATE, round(c.trained_seconds * BIN_RATE)
        )
        return latent, {c.stream: sync_from_events(events)}


def _crop(values: np.ndarray, picked, first, count: int) -> Tensor:
    starts = np.round(first).astype(int)
    cut = [values[i, at : at + count] for i, at in zip(picked, starts, strict=True)]
    return torch.from_numpy(np.stack(cut).astype(np.float32))


def training_data(
    figures: MDSGenFigures, cache: Path, device: torch.device
) -> SceneData | ShardData:
    """What a run trains on; features of videos are computed first, on `device`, where they are not
    there yet.

    Raises:
        FoleyError: weights of the encoder or codec, the list, or its videos are missing.
    """
    if figures.size == "mini":
        return SceneData(figures, cache)
    config = replace(mdsgen_config(figures.size, figures.codec), side_block=figures.mask != "none")
    clips = read_list(figures.csv, figures.videos)
    encoder = CavpVideo.load(locate("cavp"), device=device)
    parts = {part: locate(row) for part, row in _CODEC_FILES[figures.codec].items()}
    codec = load_codec(figures.codec, parts, device=device)
    folder = cache / f"mdsgen_{figures.codec}_{Path(figures.csv).stem}"
    return ShardData(config, write_shards(clips, Extractor(config, encoder, codec), folder))


class MDSGenTask:
    """Trains an `MDSGen` on what `data` gives."""

    def __init__(self, figures: MDSGenFigures, data: SceneData | ShardData):
        self.figures, self.data = figures, data
        log_alpha = torch.from_numpy(LOG_ALPHAS).float()
        self.alpha, self.sigma = log_alpha.exp(), (-torch.expm1(2 * log_alpha)).sqrt()
        self.bound = VarianceBound()

    def model(self) -> nn.Module:
        f = self.figures
        rng = torch.Generator().manual_seed(f.seed)
        if f.size != "mini":
            return MDSGen(self.data.config, rng=rng)
        config = mdsgen_mini(
            pooling=f.pooling,
            depth=f.depth,
            hidden_dim=f.hidden_dim,
            num_heads=f.num_heads,
            learn_sigma=f.learn_sigma,
            side_block=f.mask != "none",
        )
        return MDSGenMini(config, rng=rng)

    def batch(self, step: int, rng: np.random.Generator, validation: bool = False) -> dict:
        f = self.figures
        latent, streams = self.data.crops(rng, f.batch, validation)
        masked = 0 if f.mask == "none" else round(f.batch * f.masked_share)
        config = self.data.config
        return {
            "latent": latent,
            "streams": streams,
            "t": torch.from_numpy(rng.integers(0, STEPS, f.batch)),
            "noise": torch.from_numpy(rng.standard_normal(latent.shape, dtype=np.float32)),
            "keep": torch.from_numpy(rng.random(f.batch) >= f.drop),
            "kept": kept_tokens(f.mask, config, masked, f.mask_ratio, rng) if masked else None,
        }

    def loss(self, model: MDSGen, batch: dict, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        data = model.normalize(batch["latent"])
        t = batch["t"]
        alpha, sigma = at_steps(self.alpha, t), at_steps(self.sigma, t)
        x = alpha[:, None, None] * data + sigma[:, None, None] * batch["noise"]
        prepared = dropped(model.prepare(batch["streams"]), batch["keep"])
        whole = self._error(model, model.predict(x, t, prepared), data, x, batch, slice(None))
        metrics = {"noise_error": whole.detach()}
        if batch["kept"] is None:
            return whole, metrics
        some = slice(0, len(batch["kept"]))
        predicted = model.predict(x[some], t[some], prepared.take(some), kept=batch["kept"])
        masked = self._error(model, predicted, data, x, batch, some)
        metrics["masked_error"] = masked.detach()
        return whole + self.figures.mask_weight * masked, metrics

    def _error(
        self, model: MDSGen, predicted: Tensor, data: Tensor, x: Tensor, batch: dict, rows: slice
    ) -> Tensor:
        channels, t = model.config.channels, batch["t"][rows]
        predicted = predicted.float()
        noise = model.picture_of(batch["noise"][rows])
        error = (predicted[:, :channels] - noise).square().mean((1, 2, 3))
        if self.figures.snr_cap:
            ratio = (at_steps(self.alpha, t) / at_steps(self.sigma, t)).square()
            error = error * ratio.clamp(max=self.figures.snr_cap) / ratio
        if model.config.learn_sigma:
            bound = self.bound(
                predicted, model.picture_of(data[rows]), model.picture_of(x[rows]), t
            )
            error = error + self.figures.bound_weight * bound
        return error.mean()

    @torch.no_grad()
    def evaluate(self, model: nn.Module) -> dict[str, float]:
        """Noise error of validation takes without masks, always the same draws."""
        errors = []
        for k in range(4):
            batch = self.batch(10**9, np.random.default_rng([99, k]), validation=True)
            batch = on_device({**batch, "kept": None}, device_of(model))
            errors.append(float(self.loss(model, batch, 0)[0]))
        return {"validation": float(np.mean(errors))}


def at_steps(table: Tensor, t: Tensor) -> Tensor:
    """Entries t of a table of all diffusion steps, on t's device."""
    return table.to(t.device)[t]


def dropped(prepared: Prepared, keep: Tensor) -> Prepared:
    """The Reducer's output times 0 for the takes that are not in `keep`, bool `[B]`."""
    video = prepared.batched["video"]
    return Prepared({"video": video * keep.to(video)[:, None, None]}, prepared.shared)


def inference_tensors(model: MDSGen) -> dict[str, Tensor]:
    """The weights without side block and mask token, which only training uses."""
    left = ("sideblocks.", "mask_token")
    return {k: v for k, v in model.state_dict().items() if not k.startswith(left)}


def network_figures(model: MDSGen) -> dict[str, str]:
    """The figures of `mdsgen_mini` that build the same network, as metadata of its file."""
    return write_figures(model.config, RECORDED)


class VarianceBound:
    """The learned range of the reverse step's variance, in bits a number; means are detached."""

    def __init__(self) -> None:
        log_alphas = torch.from_numpy(LOG_ALPHAS)
        total = (2 * log_alphas).exp()
        before = torch.cat((total.new_ones(1), total[:-1]))
        betas = 1 - total / before
        variance = betas * (1 - before) / (1 - total)
        self.total, self.before, self.betas = total.float(), before.float(), betas.float()
        # The first step has no variance of its own: it takes the second's.
        self.least = torch.cat((variance[1:2], variance[1:])).log().float()
        self.most = betas.log().float()

    def __call__(self, predicted: Tensor, data: Tensor, x: Tensor, t: Tensor) -> Tensor:
        """`[B]` of a whole prediction `[B, 2C, H, W]`, pictures of data and x, and steps t."""
        noise, spread = predicted.chunk(2, dim=1)
        total, before, betas, least, most = (
            at_steps(values, t)[:, None, None, None]
            for values in (self.total, self.before, self.betas, self.least, self.most)
        )
        of_data = before.sqrt() * betas / (1 - total)
        of_x = (1 - betas).sqrt() * (1 - before) / (1 - total)
        guess = (x - (1 - total).sqrt() * noise.detach()) / total.sqrt()
        distance = of_data * (data - guess)
        share = (spread + 1) / 2
        log_variance = share * most + (1 - share) * least
        middle = torch.exp(least - log_variance)
        later = 0.5 * (log_variance - least + middle - 1)
        later = later + 0.5 * distance.square() * torch.exp(-log_variance)
        mean = of_data * guess + of_x * x
        first = 0.5 * (log_variance + (data - mean).square() * torch.exp(-log_variance))
        first = first + 0.5 * float(np.log(2 * np.pi))
        bound = torch.where(t[:, None, None, None] == 0, first, later)
        return bound.mean((1, 2, 3)) / float(np.log(2))
