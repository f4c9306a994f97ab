"""Long takes that were stopped: where what is made of them lies until the same command goes on."""

from __future__ import annotations

import contextlib
from argparse import Namespace
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..core.encoders.cache import FeatureCache


@contextlib.contextmanager
def kept_sections(options: Namespace) -> Iterator[FeatureCache]:
    """Where finished sections lie: in the folder of features, or in one beside the output."""
    from ..core.encoders.cache import cache_of

    store = cache_of(options.feature_cache)
    store = _beside(options) if store.folder is None else store
    try:
        yield store
    except KeyboardInterrupt:
        if store.folder is not None and store.folder.is_dir():
            options.left = (
                f"what is made lies in '{store.folder}', and the same command goes on from there"
            )
        raise


def forget_sections(options: Namespace) -> None:
    """Removes what was kept beside the output, now that it is written."""
    _beside(options).remove()


def _beside(options: Namespace) -> FeatureCache:
    from ..core.encoders.cache import FeatureCache

    return FeatureCache(room=0, folder=f"{options.output}.sections")
