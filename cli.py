"""The command `foleystage`: generate, models, download, convert, train, evaluate, scene."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from .cli_weights import add_weights_commands
from .terminal import Progress

AUDIO_SUFFIXES = (".wav", ".flac")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; 0 when done, 2 on bad input, 130 when stopped."""
    from .core.errors import Cancelled, FoleyError

    parser = _parser()
    options = parser.parse_args(arguments)
    logging.basicConfig(
        format="%(message)s", level=logging.INFO if options.verbose else logging.WARNING
    )
    try:
        options.run(options)
    except FoleyError as error:
        print(f"foleystage: {error}", file=sys.stderr)
        return 2
    except (KeyboardInterrupt, Cancelled):
        print(f"\nfoleystage: stopped; {options.left}.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("foleystage", description="Gives silent video its sound.")
    parser.add_argument("--verbose", action="store_true", help="say what is done")
    parser.set_defaults(left="nothing was written")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_generate(commands)
    add_weights_commands(commands)

    train = commands.add_parser("train", help="train a bundled recipe")
    train.add_argument("recipe", help="name of a recipe, or a path to one (.json)")
    train.add_argument(
        "--folder",
        type=Path,
        default=Path("runs"),
        help="where runs and caches are kept (default: runs)",
    )
    train.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    train.add_argument("--threads", type=int, default=0, help="CPU threads (default: all)")
    train.set_defaults(run=_train)

    evaluate = commands.add_parser(
        "evaluate", help="measure a model on held-out scenes, without weights of others"
    )
    evaluate.add_argument("model", help="a model, 'foley_mini_codec', or weights of one's own")
    evaluate.add_argument("--encoder", default="", help="video encoder weights of one's own")
    evaluate.add_argument("--sounds", nargs="*", default=[], help="files for a codec's round trip")
    evaluate.add_argument("--seconds", type=float, default=4.0, help="length of each scene")
    evaluate.add_argument("--clips", type=int, default=128)
    evaluate.add_argument("--scenes", default="hard", choices=("hard", "clean"))
    evaluate.add_argument("--kinds", default="", help="only these kinds of events, comma-separated")
    evaluate.add_argument("--steps", type=int, default=25)
    evaluate.add_argument("--cfg", type=float, help="guidance scale (default: the model's own)")
    evaluate.add_argument(
        "--out", type=Path, default=Path("out/evaluation"), help="folder for the JSON and the plot"
    )
    evaluate.add_argument(
        "--protocol",
        choices=("timbre", "reference"),
        help="an experiment of the AC-Foley paper instead: Table 2 or Table 7",
    )
    evaluate.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    evaluate.set_defaults(run=_evaluate)

    scene = commands.add_parser(
        "scene", help="render a synthetic scene to a video with its true sound"
    )
    scene.add_argument("seed", type=int)
    scene.add_argument("-o", "--output", required=True, type=Path)
    scene.add_argument("--kind", default="", help="kind of event (default: the seed's own)")
    scene.add_argument("--seconds", type=float, default=8.0)
    scene.add_argument("--height", type=int, default=360)
    scene.add_argument("--clean", action="store_true", help="plain filming instead of hard")
    scene.add_argument("--silent", action="store_true", help="the picture alone")
    scene.set_defaults(run=_scene)
    return parser


def _add_generate(commands) -> None:
    p = commands.add_parser("generate", help="make a sound for a video")
    p.add_argument("video", nargs="?", help="video or picture; left away, words alone are heard")
    p.add_argument(
        "-o",
        "--output",
        required=True,
        help="video (.mp4, .mov, .mkv, .webm) or sound (.wav, .flac) to write",
    )
    p.add_argument("--model", default="ac_foley_mini", help="a name of `models`, or a weights file")
    p.add_argument("--prompt", default="", help="what it should sound like, as in 'metal hit'")
    p.add_argument("--negative", default="", help="what it should not sound like")
    p.add_argument("--reference", help="sound file whose timbre to follow")
    p.add_argument(
        "--reference-start", type=float, default=0.0, metavar="S", help="where in it to listen from"
    )
    p.add_argument(
        "--reference-windows", type=int, default=1, metavar="N", help="parts of it to average"
    )
    p.add_argument(
        "--ignore-look", action="store_true", help="hear how it moves, not what it looks like"
    )
    p.add_argument(
        "--timing",
        default="nearest",
        choices=("nearest", "reference"),
        help="frame that stands for an instant: the nearest, or as MMAudio's tools pick it",
    )
    p.add_argument(
        "--precision",
        default="auto",
        choices=("auto", "float32", "bfloat16", "float16", "fp8"),
        help="type of a full-size network's numbers",
    )
    p.add_argument("--compile", action="store_true", help="compile the network (full-size models)")
    p.add_argument(
        "--part",
        action="append",
        default=[],
        metavar="PART=FILE",
        help="weights of one's own for generator, clip, sync, vae or vocoder",
    )
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--steps", type=int, default=25, help="sampling steps (default: 25)")
    p.add_argument("--cfg", type=float, help="guidance scale (default: the model's own)")
    p.add_argument(
        "--start", type=float, default=0.0, metavar="S", help="start of the window in seconds"
    )
    p.add_argument(
        "--seconds", type=float, metavar="S", help="length of the window (default: to the end)"
    )
    p.add_argument(
        "--takes", type=int, default=1, help="number of takes, each in a file of its own"
    )
    p.add_argument(
        "--mix", type=float, metavar="DB", help="keep the original sound at this level in dB"
    )
    p.add_argument(
        "--offset", type=float, default=0.0, metavar="MS", help="shift the sound, later is positive"
    )
    p.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    p.add_argument("--plot", metavar="PNG", help="draw frames, motion, waveform and spectrogram")
    p.set_defaults(run=_generate)


def _loading(options):
    """How the model is to be loaded."""
    from .core.errors import FoleyError
    from .core.model_base import Loading

    files = {}
    for given in options.part:
        part, equals, file = given.partition("=")
        if not equals or not file:
            raise FoleyError(
                f"--part takes PART=FILE, as in clip=weights.safetensors, not {given}."
            )
        files[part] = Path(file)
    return Loading(files, options.precision, compile=options.compile)


def _generate(options) -> None:
    from .core.errors import FoleyError
    from .core.media import probe
    from .core.media.mux import FORMATS
    from .core.model_base import ReferencePick
    from .core.output import check_output, take_paths, write_take
    from .core.pipeline import Request, generate

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
        pick=ReferencePick(options.reference_start, options.reference_windows),
        timing=options.timing,
        ignore_look=options.ignore_look,
    )
    request.check()
    loading = _loading(options)
    if options.video is None and (options.plot or options.mix is not None):
        raise FoleyError("Without a video there is nothing to plot or to mix with.")
    for path, suffixes in (
        (options.output, (*FORMATS, *AUDIO_SUFFIXES) if options.video else AUDIO_SUFFIXES),
        (options.plot, (".png",)),
    ):
        if path is not None:
            check_output(path, suffixes, options.video)
    if (
        options.video is not None
        and not probe(options.video).has_audio
        and (options.mix is not None)
    ):
        raise FoleyError(
            f"'{options.video}' has no sound of its own to mix with; leave --mix away."
        )
    with Progress() as progress:
        progress("loading", 0, 1)
        from .core.models import load_model, pick_device

        model = load_model(options.model, pick_device(options.device), loading)
        takes = generate(options.video, model, request, progress=progress)
        paths = take_paths(options.output, options.takes)
        for index, path in enumerate(paths):
            progress("writing", index, len(paths))
            write_take(options.video, takes, index, path, options.mix)
        if options.plot:
            progress("drawing", 0, 1)
            from .core.plot import plot_take

            for index, path in enumerate(take_paths(options.plot, options.takes)):
                plot_take(
                    options.video,
                    takes.waveforms[index],
                    takes.sample_rate,
                    path,
                    start=takes.start,
                    chance=takes.seen and takes.seen.chance,
                    title=f"{Path(options.video).name}   seed {options.seed}"
                    + (f"   “{options.prompt[:60]}”" if options.prompt else ""),
                )
    for path, loudness in zip(paths, takes.loudness, strict=True):
        print(f"{path}  ({takes.seconds:.2f} s, {loudness:.1f} LUFS)")


def _train(options) -> None:
    import torch

    from .core.models import pick_device
    from .core.training.recipes import run_recipe

    if options.threads:
        torch.set_num_threads(options.threads)
    logging.getLogger().setLevel(logging.INFO)
    for path in run_recipe(options.recipe, options.folder, pick_device(options.device)):
        print(path)


def _evaluate(options) -> None:
    if options.model == "foley_mini_codec":
        return _evaluate_codec(options)
    from .core.evaluation.runner import evaluate_model
    from .core.models import MODELS, load_mini_model, load_model, pick_device

    kinds = tuple(k for k in options.kinds.split(",") if k)
    device = pick_device(options.device)
    if options.encoder or options.model not in MODELS and options.model.endswith(".safetensors"):
        model = load_mini_model(device, options.model, options.encoder or "mini_video_encoder")
    else:
        model = load_model(options.model, device)
    if options.protocol:
        return _evaluate_protocol(options, model)
    with Progress() as progress:
        report = evaluate_model(
            model,
            options.clips,
            hard=options.scenes == "hard",
            kinds=kinds,
            seconds=options.seconds,
            steps=options.steps,
            cfg_scale=options.cfg,
            folder=options.out,
            progress=progress,
        )
    print(report)


def _evaluate_protocol(options, model) -> None:
    from .core.evaluation.protocols import run_protocol

    with Progress() as progress:
        report = run_protocol(
            options.protocol,
            model,
            options.clips,
            seconds=options.seconds,
            steps=options.steps,
            cfg_scale=options.cfg,
            hard=options.scenes == "hard",
            folder=options.out,
            progress=progress,
        )
    print(report)


def _evaluate_codec(options) -> None:
    from .core.codecs.foley_mini import FoleyMiniCodec
    from .core.training.codec_report import report_codec

    real = [Path(name) for name in options.sounds]
    print(report_codec(FoleyMiniCodec.load(), clips=min(options.clips, 64), real=real).table())


def _scene(options) -> None:
    from .core.training.scene_files import write_scene

    print(
        write_scene(
            options.seed,
            options.output,
            kind=options.kind,
            seconds=options.seconds,
            height=options.height,
            hard=not options.clean,
            silent=options.silent,
        )
    )
