"""The processes and the device that a run trains on, by `accelerate`.

One process, or as many as `accelerate launch` or `torchrun` start: plain data parallelism over
CUDA devices (nccl) or CPUs (gloo). `accelerate` is imported here only, when training runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import torch

from ..errors import FoleyError

if TYPE_CHECKING:
    from accelerate import Accelerator

# The others wait while the first process renders scenes or reads videos.
_LONGEST_WAIT = timedelta(days=2)


@contextmanager
def processes(
    *, device: str = "cpu", precision: str = "no", accumulate: int = 1
) -> Iterator[Accelerator]:
    """What the loop trains with; the process group is closed afterwards.

    device: `cpu`, or `cuda` for this process's own GPU. precision: `no`, `bf16` or `fp16` of
    autocast. accumulate: shares of a batch that a process takes one after another.

    Raises:
        FoleyError: accelerate is not installed, or cannot do what is asked on this machine.
    """
    accelerator = _open(device, precision, accumulate)
    try:
        _check(accelerator, torch.device(device))
        yield accelerator
        accelerator.end_training()
    finally:
        _forget()


def _open(device: str, precision: str, accumulate: int) -> Accelerator:
    if precision not in ("no", "bf16", "fp16"):
        raise FoleyError(f"There is no precision '{precision}'; choose bf16, fp16 or no.")
    if precision == "fp16" and device == "cpu":
        raise FoleyError("Training in fp16 needs a GPU; choose bf16 on the CPU.")
    if accumulate < 1:
        raise FoleyError(f"A batch is taken in 1 part or more, not in {accumulate}.")
    try:
        from accelerate import Accelerator
        from accelerate.utils import DistributedDataParallelKwargs, InitProcessGroupKwargs
    except ImportError as error:
        raise FoleyError("Training needs accelerate; run: pip install accelerate") from error
    try:
        accelerator = Accelerator(
            cpu=device == "cpu",
            mixed_precision=precision,
            gradient_accumulation_steps=accumulate,
            kwargs_handlers=[
                InitProcessGroupKwargs(timeout=_LONGEST_WAIT),
                # The last block of an MMDiT has norms of queries that nobody asks.
                DistributedDataParallelKwargs(find_unused_parameters=True),
            ],
        )
    except (ImportError, NotImplementedError, ValueError) as error:
        _forget()
        raise FoleyError(f"accelerate cannot set this run up: {error}") from error
    return accelerator


def _check(accelerator: Accelerator, device: torch.device) -> None:
    """Sharded models are refused: the average and the checkpoint want whole weights."""
    kind = accelerator.distributed_type.value
    if kind != "NO" and not kind.startswith("MULTI_"):
        raise FoleyError(
            f"Training runs on one device or in plain data parallel, not with {kind}; choose "
            "another configuration of accelerate."
        )
    given = accelerator.device
    if device.type != given.type or device.index not in (None, given.index or 0):
        raise FoleyError(
            f"Training was to run on {device}, but accelerate has {given}; the environment "
            "variables of accelerate and CUDA choose among devices."
        )


def _forget() -> None:
    # accelerate keeps one precision and device a process; the next run may want others.
    from accelerate.state import AcceleratorState

    AcceleratorState._reset_state(reset_partial_state=True)
