"""The verbs of `nmevision knowledge`: the medicine that the answers rest on, to read and to overlay."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

knowledge = typer.Typer(help="Read the medicine behind the answers; check your own.", no_args_is_help=True)

Profiles = Annotated[Path | None, typer.Option(help="your own profile file, laid over ours")]


@knowledge.command("show")
def knowledge_show(
    word: Annotated[str, typer.Argument(help="a diagnosis, finding, group or source, such as nme")],
    profiles: Profiles = None,
) -> None:
    """Print what is known about a diagnosis, a finding, a group or a source."""
    from nmevision.knowledge.display import show
    from nmevision.knowledge.loading import load_knowledge

    print(show(load_knowledge(profiles), word))


@knowledge.command("compare")
def knowledge_compare(
    first: Annotated[str, typer.Argument(help="a diagnosis, such as nme")],
    second: Annotated[str, typer.Argument(help="another one, such as psoriasis")],
    profiles: Profiles = None,
) -> None:
    """Print two diagnoses side by side: the findings that differ most come first."""
    from nmevision.knowledge.comparison import compare
    from nmevision.knowledge.loading import load_knowledge

    print(compare(load_knowledge(profiles), first, second))


@knowledge.command("check")
def knowledge_check(
    file: Annotated[Path, typer.Argument(help="a table of finding x diagnosis with cells such as 3a")],
) -> None:
    """Judge your own profile file: every mistake at once, or what it changes."""
    from nmevision.knowledge.display import changes
    from nmevision.knowledge.loading import check_file, load_knowledge

    print(changes(load_knowledge(), check_file(file)))
