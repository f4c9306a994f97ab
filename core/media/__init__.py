"""Video frames by time stamp, sound, loudness and mux; knows nothing of models."""

from .audio import fit_length, mono_peak, read_audio, write_audio
from .encode import encode_frames
from .finish import finish
from .frames import pour_frames, read_frames
from .loudness import integrated_loudness, limit, normalize_loudness, true_peak
from .mux import mux
from .preview import write_preview
from .probe import VideoInfo, probe
from .request import FrameRequest, kept_frames, made_seconds, window_seconds
from .resample import resample
from .source import ImageFrames, Source
from .timing import Timing, common_length, current_word

__all__ = [
    "FrameRequest",
    "ImageFrames",
    "Source",
    "Timing",
    "VideoInfo",
    "common_length",
    "current_word",
    "encode_frames",
    "finish",
    "fit_length",
    "integrated_loudness",
    "kept_frames",
    "limit",
    "made_seconds",
    "mono_peak",
    "mux",
    "normalize_loudness",
    "pour_frames",
    "probe",
    "read_audio",
    "read_frames",
    "resample",
    "true_peak",
    "window_seconds",
    "write_audio",
    "write_preview",
]
