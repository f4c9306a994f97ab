"""Runs commands in children of a process that has imported all: they are under way at once.

A script, `forked.py ROOT`: a line of JSON asks for a run; two lines answer, its process and its
exit status.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import types

_IMPORTS = (
    "cli.convert cli.download cli.generate cli.train core.diffusers_folder core.loading "
    "core.media.files core.pipeline core.results.plot core.results.writing core.training.codec "
    "core.training.recipes core.weights.store"
)


def serve() -> None:
    from foleystage.cli import main
    from foleystage.core.weights import registry
    from foleystage.core.weights.entries import Entry, Hub, Licence

    small = Entry(
        "small", "generator", "8 MB", Licence("MIT", "yes"), (Hub("a/b", "n.safetensors"),)
    )
    registry.ENTRIES = (*registry.ENTRIES, small)
    print("ready", flush=True)
    for line in sys.stdin:
        arguments, folder, printed, environment = json.loads(line)
        child = os.fork()
        if not child:
            os.chdir(folder)
            os.environ.update(environment)
            for stream in (1, 2):
                os.dup2(os.open(printed, os.O_WRONLY | os.O_CREAT | os.O_APPEND), stream)
            sys.argv = ["foleystage", *arguments]
            raise SystemExit(main())
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    package = types.ModuleType("foleystage")
    package.__path__ = [sys.argv[1]]
    sys.modules["foleystage"] = package
    for name in _IMPORTS.split():
        importlib.import_module(f"foleystage.{name}")
    for name in ("accelerate", "huggingface_hub", "matplotlib.pyplot", "torch._dynamo"):
        importlib.import_module(name)
    serve()
