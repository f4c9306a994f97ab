"""The command evaluate."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from .terminal import Progress

if TYPE_CHECKING:
    from ..core.evaluation.report import Settings

_CODEC = "foley_mini_codec"
_MOST_CODED = 64


def add_command(commands) -> None:
    """Adds it to argparse's subparsers."""
    evaluate = commands.add_parser(
        "evaluate", help="measure a system on held-out scenes whose truth is known"
    )
    evaluate.add_argument(
        "model", help=f"name of a system, a weights file of one's own, or '{_CODEC}'"
    )
    evaluate.add_argument(
        "--encoder", type=Path, metavar="FILE", help="video encoder weights of one's own"
    )
    evaluate.add_argument("--sounds", nargs="*", default=[], help="files for a codec's round trip")
    evaluate.add_argument("--seconds", type=float, default=4.0, help="length of each scene")
    evaluate.add_argument("--clips", type=int, default=128)
    evaluate.add_argument("--scenes", default="hard", choices=("hard", "clean"))
    evaluate.add_argument("--kinds", default="", help="only these kinds of events, comma-separated")
    evaluate.add_argument("--steps", type=int, help="default: the system's own")
    evaluate.add_argument("--cfg", type=float, help="guidance scale (default: the system's own)")
    evaluate.add_argument(
        "--out", type=Path, default=Path("out/evaluation"), help="folder for the JSON and the plot"
    )
    evaluate.add_argument(
        "--protocol",
        choices=("timbre", "reference", "tasks"),
        help="an experiment instead: of the AC-Foley paper timbre transfer (Table 2), or with and "
        "without a reference (Table 7), which a full-size system runs when none is named; or every "
        "task that the system does, which one with a context runs as well",
    )
    evaluate.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    evaluate.set_defaults(run=_evaluate)


def _evaluate(options: Namespace) -> None:
    if options.model == _CODEC:
        return _evaluate_codec(options)
    from ..core.loading import Loading, load_model, pick_device

    files = {} if options.encoder is None else {"video": options.encoder}
    device = pick_device(options.device)
    system = load_model(options.model, device, Loading(files=files, keep=True))
    if options.protocol == "tasks":
        return _evaluate_tasks(options, system)
    if options.protocol or not system.row.bundled:
        return _evaluate_protocols(options, system)
    from ..core.evaluation.runner import evaluate_model

    kinds = tuple(k for k in options.kinds.split(",") if k)
    with Progress() as progress:
        report = evaluate_model(
            system, _settings(options), kinds=kinds, folder=options.out, progress=progress
        )
    print(report)
    if system.row.takes_context and not kinds:
        _evaluate_tasks(options, system)


def _evaluate_tasks(options: Namespace, system) -> None:
    from ..core.evaluation.tasks import run_tasks

    with Progress() as progress:
        report = run_tasks(system, _settings(options), folder=options.out, progress=progress)
    print(report)


def _settings(options: Namespace) -> Settings:
    from ..core.evaluation.report import Settings

    return Settings(
        options.clips,
        hard=options.scenes == "hard",
        seconds=options.seconds,
        steps=options.steps,
        cfg_scale=options.cfg,
    )


def _evaluate_protocols(options: Namespace, system) -> None:
    from ..core.errors import FoleyError
    from ..core.evaluation.protocols import PROTOCOLS, run_protocol

    if options.kinds:
        raise FoleyError("The protocols of AC-Foley are about all kinds of hits; leave --kinds.")
    for protocol in (options.protocol,) if options.protocol else PROTOCOLS:
        with Progress() as progress:
            report = run_protocol(
                protocol, system, _settings(options), folder=options.out, progress=progress
            )
        print(report)


def _evaluate_codec(options: Namespace) -> None:
    from ..core.codecs.foley_mini import FoleyMiniCodec
    from ..core.training.codec_report import report_codec

    real = [Path(name) for name in options.sounds]
    clips = min(_settings(options).clips, _MOST_CODED)
    print(report_codec(FoleyMiniCodec.load(), clips=clips, real=real).table())
