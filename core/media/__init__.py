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
from .timing import Timing, current_word
