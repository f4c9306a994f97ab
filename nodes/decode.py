"""Latents to sound and back."""

from __future__ import annotations

import torch
from comfy_api.latest import io

from ..core.media import finish, fit_length, resample
from ..core.media.finish import LOUDNESS
from . import widgets
from .border import audio_value, sound_of, with_channels
from .choices import require
from .common import Node
from .native.latents import latent_value, sound_of_latent, sound_to_decode, with_range
from .native.managed import Managed
from .native.tokens import ids_of
from .progress import progress_bar, stop_if_cancelled
from .values import Sound


class Decode(Node):
    TITLE = "Foley Decode"
    ABOUT = "Turns latents into sound, exactly as long as the window of the video."
    INPUTS = [
        io.Latent.Input("samples", tooltip="From a sampler."),
        widgets.codec(),
        io.Boolean.Input(
            "normalize",
            default=True,
            tooltip="On: every take is brought to the loudness below. Off: it stays as the model "
            "made it, only held under full scale. A take that is a part of another sound has the "
            "level of that.",
        ),
        widgets.loudness(
            LOUDNESS,
            "Loudness in LUFS (ITU-R BS.1770): -20 for foley in a mix, -14 for the web. Peaks "
            "never pass -1 dB, so a take of a few sharp hits stays quieter.",
        ),
    ]
    OUTPUTS = [
        io.Audio.Output("audio", tooltip="All takes, one after one."),
        io.Float.Output("start", tooltip="For the start of Foley Mux."),
    ]
    FOLDER = "sample"
    ALIASES = ("vae decode audio", "vocoder")

    @classmethod
    def execute(cls, samples, codec: Managed, normalize: bool, loudness: float) -> io.NodeOutput:
        sound = sound_to_decode(samples, codec.part.name)
        require(codec.part.name, sound.codec, "This latent", "Load Foley Codec")
        module, show = codec.ready("codec", sound.seconds), progress_bar()
        latents, takes = samples["samples"], []
        for latent in latents:
            stop_if_cancelled()
            coded = latent.T[None].to(codec.device).float()  # [1, T, C]
            coded = ids_of(coded) if sound.tokens else coded
            decoded = module.decode(coded)[0].float().cpu()
            decoded = decoded[:, round(sound.lead * module.sample_rate) :]
            level = loudness if normalize and sound.in_sound is None else None
            take = finish(decoded, module.sample_rate, sound.seconds, loudness=level)
            if sound.in_sound is not None:
                take = sound.in_sound.splice(take, module.sample_rate)
            takes.append(take)
            show(len(takes), len(latents))
        rate = module.sample_rate if sound.in_sound is None else sound.in_sound.rate
        return io.NodeOutput(audio_value(torch.stack(takes), rate), sound.start)


class EncodeAudio(Node):
    TITLE = "Foley Encode Audio"
    ABOUT = (
        "Turns a sound into a latent, to change it: all of it with denoise below 1, or a range of "
        "it anew while the rest stays."
    )
    INPUTS = [
        io.Audio.Input("audio", tooltip="The sound to change."),
        widgets.codec(),
        io.Latent.Input(
            "like",
            optional=True,
            tooltip="latent of Foley Conditioning: the sound is cut, or followed by silence, to "
            "its length, so that both fit in a sampler.",
        ),
        widgets.seconds(
            "regenerate_from",
            "Where the range that is made anew begins, in seconds of the sound.",
            max=widgets.HOUR,
        ),
        widgets.seconds(
            "regenerate_to",
            "Where that range ends, in seconds. 0 makes no range: the whole latent is sampled.",
            max=widgets.HOUR,
        ),
    ]
    OUTPUTS = [io.Latent.Output("latent", tooltip="For a sampler.")]
    FOLDER = "sample"
    ALIASES = ("vae encode audio", "inpaint audio", "audio to audio")

    @classmethod
    def execute(
        cls, audio, codec: Managed, regenerate_from: float, regenerate_to: float, like=None
    ) -> io.NodeOutput:
        waveform, rate = sound_of(audio)
        module = codec.ready("codec", waveform.shape[-1] / rate)
        waveform = resample(waveform, rate, module.sample_rate)
        waveform = with_channels(waveform, module.channels)
        seconds, start = waveform.shape[-1] / module.sample_rate, 0.0
        if like is not None:
            wanted = sound_of_latent(like)
            require(codec.part.name, wanted.codec, "The latent to be like", "Load Foley Codec")
            size = like["samples"].shape[-1] * module.samples_per_latent
            waveform, seconds, start = fit_length(waveform, size), wanted.seconds, wanted.start
        encoded = module.encode(waveform.to(codec.device))
        tokens = not encoded.is_floating_point()
        encoded = (encoded[..., None] if encoded.ndim == 2 else encoded).float()
        rate = module.latent_rate
        sound = Sound(codec.part.name, module.sample_rate, rate, seconds, start, tokens)
        latent = latent_value(encoded.transpose(1, 2).contiguous(), sound)
        if regenerate_to > 0:
            latent = with_range(latent, regenerate_from, regenerate_to)
        return io.NodeOutput(latent)


NODES = [Decode, EncodeAudio]
