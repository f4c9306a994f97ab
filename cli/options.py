"""Options that commands which make takes share, and what they mean."""

from __future__ import annotations

from argparse import ArgumentTypeError, Namespace
from pathlib import Path


def add_wishes(group) -> None:
    group.add_argument("--prompt", default="", help="what it should sound like: 'metal hit'")
    group.add_argument("--negative", default="", help="what it should not sound like")
    group.add_argument("--reference", metavar="FILE", help="sound whose timbre to follow")
    group.add_argument(
        "--reference-start",
        type=float,
        default=0.0,
        metavar="S",
        help="second of the reference to start at (default: 0)",
    )
    group.add_argument(
        "--reference-windows",
        type=int,
        default=1,
        metavar="N",
        help="parts of it, spread to its end, that are averaged (default: 1)",
    )
    group.add_argument(
        "--ignore-look",
        action="store_true",
        help="follow how the picture moves, not what it shows: for a sound that does not match it",
    )
    group.add_argument("--cfg", type=float, help="guidance scale (default: the system's own)")
    group.add_argument("--steps", type=int, help="sampling steps (default: the system's own)")
    group.add_argument("--seed", type=int, default=0, help="another seed is another take")


def add_task(group) -> None:
    from ..core.tasks import TASKS

    group.add_argument(
        "--task",
        default="",
        choices=tuple(TASKS),
        help="; ".join(f"{name}: {task.title}" for name, task in TASKS.items())
        + " (default: what follows from what is given)",
    )
    group.add_argument(
        "--context",
        metavar="FILE",
        help="sound, or video with sound, to extend or edit (default: the video's own)",
    )
    group.add_argument(
        "--known", type=_span, metavar="S:E", help="extend: seconds of it that stay, as 0:3"
    )
    group.add_argument(
        "--edit", type=_span, metavar="S:E", help="edit: seconds of it that are made anew, as 2:4"
    )
    group.add_argument(
        "--inversion",
        nargs="?",
        default="",
        const="around",
        choices=("around", "throughout"),
        help="edit: begin with the noise that the sound leads back to, around what is made anew "
        "or throughout, which keeps its structure",
    )
    group.add_argument(
        "--surrogate",
        default="video",
        choices=("video", "zero"),
        help="what is seen under a reference in the context: the start of the video (default), or "
        "nothing",
    )
    group.add_argument(
        "--summation",
        action="store_true",
        help="FoleyGenEx: add what is known to the noise, as the paper does, instead of putting it "
        "back at every step",
    )


def _span(text: str) -> tuple[float, float]:
    start, _, stop = text.partition(":")
    try:
        return float(start), float(stop)
    except ValueError:
        raise ArgumentTypeError(f"a span is START:END in seconds, as 2:4.5, not {text}") from None


def add_window(group) -> None:
    group.add_argument("--start", type=float, default=0.0, metavar="S", help="first second")
    group.add_argument(
        "--seconds",
        type=float,
        metavar="S",
        help="length (default: to the end; of words or a picture, what the system was trained on)",
    )
    group.add_argument(
        "--timing",
        default="nearest",
        choices=("nearest", "published", "reference"),  # the last is the second's old name
        metavar="{nearest,published}",
        help="frame that stands for an instant: the nearest (default), or the one that the "
        "published code takes, which then also rules the length, the reference's noise, a --cfg "
        "below 1 and --long",
    )
    group.add_argument(
        "--long",
        choices=("windows", "one-pass", "sequential"),
        help="takes beyond the trained length: joined windows, each of the trained length, or one "
        "pass, which costs less; sequential: windows one after another, each in the context of the "
        "one before, for many minutes in little memory (default: one pass up to 20 s, or always "
        "with --timing published; MDSGen: windows; over 10 minutes: sequential)",
    )


def add_output(group) -> None:
    group.add_argument(
        "--takes", type=int, default=1, metavar="N", help="takes, each in a file of its own"
    )
    group.add_argument(
        "--mix", type=float, metavar="DB", help="keep the original sound at this level in dB"
    )
    group.add_argument(
        "--picture",
        default="copy",
        choices=("copy", "h264"),
        help="copy the video's packets untouched (default), or encode it anew: for codecs that the "
        "file cannot hold and for pictures without times",
    )
    group.add_argument(
        "--loudness",
        metavar="LUFS",
        help="loudness of each take, -70 to 0 LUFS (default: -20), or off: as the system makes it",
    )
    group.add_argument(
        "--offset", type=float, default=0.0, metavar="MS", help="shift the sound, later is positive"
    )


def add_model(group) -> None:
    group.add_argument(
        "--model",
        default="ac_foley_mini",
        help="name of a system that the command `models` lists, or a weights file "
        "(default: ac_foley_mini)",
    )
    group.add_argument(
        "--part",
        action="append",
        default=[],
        metavar="PART=FILE",
        help="weights file to use for generator, clip, sync, vae or vocoder; may be repeated",
    )
    group.add_argument(
        "--precision",
        default="auto",
        choices=("auto", "float32", "bfloat16", "float16", "fp8"),
        help="numbers of a full-size network; auto is bfloat16 on a GPU, float32 on a CPU; fp8 is "
        "of the weights alone",
    )
    group.add_argument(
        "--compile", action="store_true", help="compile a full-size network; pays off with --takes"
    )
    group.add_argument(
        "--feature-cache",
        type=Path,
        metavar="DIR",
        help="keep features of videos and prompts here for the next take "
        "(default: the folder that FOLEYSTAGE_CACHE names, if any)",
    )
    group.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))


def request_of(options: Namespace, *, names_reference: bool = False):
    from ..core.errors import FoleyError
    from ..core.reference import ReferencePick
    from ..core.request import Request

    pick = ReferencePick(options.reference_start, options.reference_windows)
    if options.reference is None and not names_reference and pick != ReferencePick():
        raise FoleyError(
            "--reference-start and --reference-windows are about a reference sound; name it with "
            "--reference."
        )
    request = Request(
        options.prompt,
        options.negative,
        options.reference,
        options.start,
        options.seconds,
        options.seed,
        options.steps,
        options.cfg,
        options.takes,
        options.offset,
        _loudness(options.loudness),
        pick=pick,
        timing=options.timing,
        ignore_look=options.ignore_look,
        long=options.long and options.long.replace("-", " "),
        task=options.task,
        context=options.context,
        known=options.known,
        edit=options.edit,
        inversion=options.inversion,
        surrogate=options.surrogate,
        summation=options.summation,
    )
    request.check()
    return request


def _loudness(word: str | None) -> float | None:
    from ..core.errors import FoleyError
    from ..core.media.finish import LOUDNESS

    if word is None:
        return LOUDNESS
    try:
        return None if word == "off" else float(word)
    except ValueError:
        raise FoleyError(
            f"--loudness takes a number of LUFS from -70 to 0, or off, not {word}."
        ) from None


def loading_of(options: Namespace):
    """How the system is to be loaded."""
    from ..core.errors import FoleyError
    from ..core.loading import Loading

    files = {}
    for given in options.part:
        part, equals, file = given.partition("=")
        if not equals or not file:
            raise FoleyError(
                f"--part takes PART=FILE, as in clip=weights.safetensors, not {given}."
            )
        files[part] = Path(file)
    return Loading(
        files,
        options.precision,
        compile=options.compile,
        feature_cache=options.feature_cache,
    )


def suit_threads(system) -> None:
    """A mini's operations are too short to be shared out: one thread is as fast, alone or not."""
    if system.row.bundled:
        import torch

        torch.set_num_threads(1)
