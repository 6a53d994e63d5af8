"""The command line run once: the verb that is called, its errors as one message, an exit code."""

from __future__ import annotations

import copy
import sys

import typer

from nmevision.cli.app import app
from nmevision.errors import NmevisionError

STOPPED = 130


def run(verb: str | None = None, told: object = None) -> None:
    """Run the command line (or one of its verbs), turn errors into one message and raise SystemExit.

    0: done. 1: done, but some files could not be read. 2: wrong arguments, configuration or data.
    130: stopped by the user.
    told: OWN_PROCESS where nothing else runs in this process, so that a verb may start it again.
    """
    args = [verb, *sys.argv[1:]] if verb else sys.argv[1:]
    try:
        _with_verb_alone("".join(args[:1]))(args=args, prog_name="nmevision", obj=told)
    except NmevisionError as problem:
        print(f"error: {problem}", file=sys.stderr)
        sys.exit(2)
    except SystemExit as end:
        if end.code == STOPPED:  # typer has caught the KeyboardInterrupt
            how = "" if "sweep" in sys.argv[1:2] else " with --resume"
            print(f"stopped; run the same command{how} to continue", file=sys.stderr)
        raise


def _with_verb_alone(verb: str) -> typer.Typer:
    """Return the command line without the other verbs, whose signatures take 30 ms to read; whole where it has no such verb."""
    commands = [
        one for one in app.registered_commands if (one.name or getattr(one.callback, "__name__", "")) == verb
    ]
    groups = [one for one in app.registered_groups if one.name == verb]
    if not commands and not groups:
        return app
    alone = copy.copy(app)
    alone.registered_commands, alone.registered_groups = commands, groups
    return alone
