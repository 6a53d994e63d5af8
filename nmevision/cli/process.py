"""The command line as a process of its own: run, and ended at once, as there is nothing left to do."""

from __future__ import annotations

import atexit
import gc
import os
import sys
from typing import NoReturn

from nmevision.cli.memory import OWN_PROCESS, flush_output, restart_keeping_memory

FEW_COLLECTIONS = 50_000
"""New objects after which Python looks for cycles, 700 by its own: what the libraries make while they are loaded stays, and
looking through it again and again takes a tenth of the time that loading takes."""


def main(verb: str | None = None) -> None:
    """Run the command line (or one of its verbs) as all that this process does; `run` tells the exit codes."""
    if (verb or "".join(sys.argv[1:2])) == "predict" and "--help" not in sys.argv:
        restart_keeping_memory()  # here already, where it costs no more than Python's own start
    gc.set_threshold(FEW_COLLECTIONS)
    from nmevision.cli.run import run

    try:
        run(verb, OWN_PROCESS)
    except SystemExit as end:
        end_process(end.code)


def end_process(code: str | int | None) -> NoReturn:
    """End this process with the exit code of a SystemExit, without taking every object apart first.

    That would take a fifth of a second and give back nothing that the system does not take anyway. What was left for the
    end (atexit) is done, and what was printed is written. Where torch is loaded, which has processes and writers of
    its own, or nobody reads what is printed any more, the end is Python's own.
    """
    if "torch" in sys.modules or isinstance(code, str):
        sys.exit(code)
    atexit._run_exitfuncs()
    try:
        flush_output()
    except (OSError, ValueError):
        sys.exit(code)
    os._exit(code or 0)
