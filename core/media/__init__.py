"""Video frames by time stamp, sound, loudness and mux; knows nothing of models."""

from .frames import FrameRequest, read_frames
from .probe import VideoInfo, probe
from .source import ImageFrames, Source
from .timing import common_length

__all__ = [
    "FrameRequest",
    "ImageFrames",
    "Source",
    "VideoInfo",
    "common_length",
    "probe",
    "read_frames",
]
