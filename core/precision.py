"""In which type a model is stored and computed, by the name an artist chooses."""

from __future__ import annotations

import torch

from .errors import FoleyError

PRECISIONS = ("auto", "float32", "bfloat16", "float16", "fp8")


def compute_dtype(precision: str, device: str | torch.device) -> torch.dtype:
    """The type to compute in on a device; fp8 is of the weights alone.

    auto: bfloat16 on a GPU that has it, else float32.

    Raises:
        FoleyError: no such precision, or float16 on a CPU, which has no arithmetic for it.
    """
    if precision not in PRECISIONS:
        raise FoleyError(
            f"There is no precision '{precision}'; choose one of: {', '.join(PRECISIONS)}."
        )
    on_gpu = torch.device(device).type == "cuda"
    if precision == "float16" and not on_gpu:
        raise FoleyError("float16 is slow on a CPU and overflows; use bfloat16 or float32 there.")
    if precision == "fp8":
        return torch.bfloat16 if on_gpu or _cpu_has_bfloat16() else torch.float32
    if precision == "auto":
        return torch.bfloat16 if on_gpu and torch.cuda.is_bf16_supported() else torch.float32
    return getattr(torch, precision)


def _cpu_has_bfloat16() -> bool:
    return torch.backends.cpu.get_cpu_capability().startswith("AVX512") and (
        torch.ops.mkldnn._is_mkldnn_bf16_supported()
    )
