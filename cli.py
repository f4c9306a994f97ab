"""The command `foleystage`: generate, models, download, convert, train, evaluate, scene."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from .cli_generate import add_generate_command
from .cli_weights import add_weights_commands
from .terminal import Progress


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
    add_generate_command(commands)
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
    train.add_argument(
        "--accumulate",
        type=int,
        default=1,
        metavar="N",
        help="take each batch in N parts, where it does not fit (default: 1)",
    )
    train.set_defaults(run=_train)

    evaluate = commands.add_parser(
        "evaluate", help="measure a model on held-out scenes whose truth is known"
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
        help="an experiment of the AC-Foley paper instead: timbre transfer (Table 2), or with and "
        "without a reference (Table 7); a full-size model runs both when none is named",
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


def _train(options) -> None:
    import torch

    from .core.models import pick_device
    from .core.training.recipes import run_recipe

    if options.threads:
        torch.set_num_threads(options.threads)
    logging.getLogger().setLevel(logging.INFO)
    device = pick_device(options.device)
    for path in run_recipe(options.recipe, options.folder, device, accumulate=options.accumulate):
        print(path)


def _evaluate(options) -> None:
    if options.model == "foley_mini_codec":
        return _evaluate_codec(options)
    from .core.model_base import ResidentModel

    model = _evaluated(options)
    if options.protocol or not isinstance(model, ResidentModel):
        return _evaluate_protocols(options, model)
    from .core.evaluation.runner import evaluate_model

    with Progress() as progress:
        report = evaluate_model(
            model,
            options.clips,
            hard=options.scenes == "hard",
            kinds=tuple(k for k in options.kinds.split(",") if k),
            seconds=options.seconds,
            steps=options.steps,
            cfg_scale=options.cfg,
            folder=options.out,
            progress=progress,
        )
    print(report)


def _evaluated(options):
    """The model that is asked for; a weights file is a mini's or of the MMAudio family."""
    from .core.model_base import Loading
    from .core.models import MODELS, load_mini_model, load_model, pick_device
    from .core.weights.detect import detect

    device = pick_device(options.device)
    own = options.model not in MODELS and options.model.endswith(".safetensors")
    family = detect(options.model) if own else None
    if options.encoder or own and (family is None or family.name not in ("ac_foley", "mmaudio")):
        return load_mini_model(device, options.model, options.encoder or "mini_video_encoder")
    return load_model(options.model, device, Loading(keep=True))


def _evaluate_protocols(options, model) -> None:
    from .core.errors import FoleyError
    from .core.evaluation.protocols import PROTOCOLS, run_protocol

    if options.kinds:
        raise FoleyError("The protocols of AC-Foley are about all kinds of hits; leave --kinds.")
    for protocol in (options.protocol,) if options.protocol else PROTOCOLS:
        with Progress() as progress:
            report = run_protocol(
                protocol,
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
    from .core.scenes.files import write_scene

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
