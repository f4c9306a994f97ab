"""FoleyStage without ComfyUI: media, encoders, codecs, generators, sampling and training.

Importing this package loads nothing heavy; import the part that is needed.
"""

from .errors import Cancelled, FoleyError

__all__ = ["Cancelled", "FoleyError"]
