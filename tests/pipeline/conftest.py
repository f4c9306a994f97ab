"""A silent clip with known hits, made by our own renderer, and the bundled model."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from foleystage.core.loading import load_model
from foleystage.core.scenes import sample_scene
from foleystage.core.scenes.files import write_picture

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def scene():
    return sample_scene(7, "test", seconds=4.0, hard=False, kinds=("hammer",))


@pytest.fixture(scope="session")
def clip(scene, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "hammer.mp4"
    write_picture(scene, path, 180, silent=True)
    return path


@pytest.fixture(scope="session")
def clip_with_sound(scene, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "hammer_sound.mp4"
    write_picture(scene, path, 180)
    return path


@pytest.fixture(scope="session")
def truth(scene) -> np.ndarray:
    return np.array([event.time for event in scene.events])


@pytest.fixture(scope="session")
def model():
    torch.set_num_threads(2)
    return load_model("ac_foley_mini")


@pytest.fixture(scope="session")
def family(tmp_path_factory) -> Path:
    """A folder with reduced models of the MMAudio family, and what they need."""
    from family import write_family

    return write_family(tmp_path_factory.mktemp("family"))


@pytest.fixture
def found(family, tmp_path, monkeypatch) -> Path:
    """The folder of `family` is where weights are looked for, and the only place."""
    monkeypatch.setenv("FOLEYSTAGE_MODELS", str(family))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return family


@pytest.fixture
def frame_counter(found):
    """AC-Foley whose video encoders make one feature of each frame they are given."""
    from counting import counting_system

    with counting_system("ac_foley") as system:
        yield system


@pytest.fixture
def ac_foley(found):
    """AC-Foley from reduced files."""
    return load_model("ac_foley")
