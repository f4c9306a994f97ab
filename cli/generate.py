"""The command generate."""

from __future__ import annotations

from argparse import ArgumentTypeError, Namespace
from collections.abc import Iterable
from pathlib import Path

from ..core.printable import printable
from .resume import forget_sections, kept_sections
from .terminal import Progress


def add_command(commands) -> None:
    """Adds it to argparse's subparsers."""
    p = commands.add_parser("generate", help="make a sound for a video, a picture or words alone")
    p.add_argument(
        "video", nargs="?", help="video or picture file; without one, the prompt alone is followed"
    )
    p.add_argument(
        "-o",
        "--output",
        required=True,
        metavar="FILE",
        help="video (.mp4, .mov, .mkv, .webm) or sound (.wav, .flac) to write",
    )
    p.set_defaults(run=_generate)
    _add_wishes(p.add_argument_group("what it sounds like"))
    _add_task(p.add_argument_group("what is asked"))
    _add_window(p.add_argument_group("which part of the video"))
    _add_output(p.add_argument_group("what is written"))
    _add_model(p.add_argument_group("the system"))


def _add_wishes(group) -> None:
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
        "--cues",
        metavar="JSON",
        help="cue sheet: prompts, hits, mutes, takes and levels at times; the command `cues` "
        "writes one of what is seen",
    )
    group.add_argument(
        "--ignore-look",
        action="store_true",
        help="follow how the picture moves, not what it shows: for a sound that does not match it",
    )
    group.add_argument("--cfg", type=float, help="guidance scale (default: the system's own)")
    group.add_argument("--steps", type=int, help="sampling steps (default: the system's own)")
    group.add_argument("--seed", type=int, default=0, help="another seed is another take")


def _add_task(group) -> None:
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


def _add_window(group) -> None:
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


def _add_output(group) -> None:
    group.add_argument(
        "--takes", type=int, default=1, metavar="N", help="takes, each in a file of its own"
    )
    group.add_argument(
        "--mix", type=float, metavar="DB", help="keep the original sound at this level in dB"
    )
    group.add_argument(
        "--stems",
        action="store_true",
        help="hits that have a material or reference of their own in the cue sheet also in tracks "
        "of their own (.mkv, .mov)",
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
    group.add_argument(
        "--plot", metavar="PNG", help="draw frames, motion, waveform and spectrogram"
    )


def _add_model(group) -> None:
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


def _generate(options: Namespace) -> None:
    from ..core.media.files import write_together
    from ..core.pipeline import generate
    from ..core.results.writing import write_take

    request = _request(options)
    loading = _loading(options)
    plan = _plan(options, loading.files.values())
    with Progress() as progress:
        progress("loading", 0, 1)
        from ..core.loading import load_model, pick_device

        system = load_model(options.model, pick_device(options.device), loading)
        _suit_threads(system)
        with kept_sections(options) as store:
            takes = generate(options.video, system, request, store=store, progress=progress)
        with write_together():
            for index, path in enumerate(plan.takes):
                progress("writing", index, len(plan.takes))
                write_take(options.video, takes, index, path, options.mix, options.picture)
            for index, path in enumerate(plan.plots):
                progress("drawing", index, len(plan.plots))
                _plot(options, takes, index, path)
    forget_sections(options)
    options.left = "all files are written"
    for path, loudness in zip(plan.takes, takes.loudness, strict=True):
        print(printable(f"{path}  ({takes.seconds:.2f} s, {loudness:.1f} LUFS)"))


def _suit_threads(system) -> None:
    """A mini's operations are too short to be shared out: one thread is as fast, alone or not."""
    if system.row.bundled:
        import torch

        torch.set_num_threads(1)


def _request(options: Namespace):
    from ..core.cues import read_cues
    from ..core.errors import FoleyError
    from ..core.reference import ReferencePick
    from ..core.request import Request

    pick = ReferencePick(options.reference_start, options.reference_windows)
    if options.reference is None and pick != ReferencePick():
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
        cues=None if options.cues is None else read_cues(options.cues),
        stems=options.stems,
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


def _loading(options: Namespace):
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


def _plan(options: Namespace, parts: Iterable[Path]):
    """The files that will be written; what cannot be is refused, before any work is done."""
    from ..core.errors import FoleyError
    from ..core.media import probe
    from ..core.media.formats import SOUND_FILES, VIDEO_FILES
    from ..core.media.mux import check_copy
    from ..core.results.planning import plan_outputs

    info = None if options.video is None else probe(options.video)
    suffixes = (*VIDEO_FILES, *SOUND_FILES)
    output = Path(options.output).suffix.lower()
    if info is None or info.is_picture:
        suffixes = tuple(SOUND_FILES)
        source = "Words" if info is None else "A picture"
        if output in VIDEO_FILES:
            raise FoleyError(
                f"{source} alone cannot become a video; let the output's name end in "
                f"{' or '.join(SOUND_FILES)}."
            )
        if options.mix is not None or options.plot or options.start:
            raise FoleyError(
                f"{source} alone cannot be mixed, plotted or started in; leave --mix, --plot and "
                "--start away."
            )
    if options.stems:
        _check_stems(options)
    if options.mix is not None and info is not None:
        _check_mix(options, info.has_audio, output in SOUND_FILES)
    if info is not None and output in VIDEO_FILES and options.picture == "copy":
        check_copy(options.video, options.output)
    named = (options.video, options.reference, options.context, options.cues, options.model, *parts)
    return plan_outputs(
        options.output,
        suffixes,
        takes=options.takes,
        plot=options.plot,
        reads=[name for name in named if name is not None],
    )


def _check_stems(options: Namespace) -> None:
    from ..core.errors import FoleyError
    from ..core.media.mixing import check_stem_file

    if options.cues is None:
        raise FoleyError("--stems is about the hits of a cue sheet: name one with --cues.")
    check_stem_file(options.output)


def _check_mix(options: Namespace, has_audio: bool, to_sound_file: bool) -> None:
    from ..core.errors import FoleyError
    from ..core.media.limits import check_level

    if to_sound_file:
        raise FoleyError("--mix needs a video to write; a sound file holds the new sound alone.")
    check_level(options.mix, "level of the original sound")
    if not has_audio:
        raise FoleyError(
            f"'{options.video}' has no sound of its own to mix with; leave --mix away."
        )
    of_its_own = options.edit or options.known or options.task in ("extend", "edit")
    if of_its_own and options.context is None:
        raise FoleyError(
            "The video's own sound is what is extended or edited, so it cannot be mixed in as "
            "well; leave --mix away."
        )


def _plot(options: Namespace, takes, index: int, path: Path) -> None:
    from ..core.results.plot import plot_take

    words = f"   “{options.prompt}”" if options.prompt else ""
    plot_take(
        options.video,
        takes.waveforms[index],
        takes.sample_rate,
        path,
        start=takes.start,
        chance=takes.chance,
        title=f"{Path(options.video).name}   seed {options.seed}{words}",
    )
