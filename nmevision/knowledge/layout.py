"""How the knowledge is set in plain text: named lines, tables and the list of sources."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence

from nmevision.knowledge.tables import GRADES, TAGS, TEXTBOOK, Cell, Knowledge, Modality

WIDTH = 110
"""Characters of a line."""
TITLES: dict[Modality, str] = {"histology": "Histology (H&E)", "clinical": "Clinical photos and history"}
LEGEND = (
    "Grades: " + ", ".join(f"{grade} {text}" for grade, text in enumerate(GRADES)) + ".",
    *(f"  {tag}  {text}" for tag, text in TAGS.items()),
    "No grade is a measured frequency.",
)
"""What grades and tags mean, for the foot of a page."""


def named_sources(cells: Iterable[Cell]) -> list[str]:
    """Return the keys of the sources of some cells, each once, without the textbook."""
    return list(dict.fromkeys(key for cell in cells for key in cell.sources if key != TEXTBOOK))


def bibliography(knowledge: Knowledge, cited: Iterable[str]) -> list[str]:
    """Return the citation of every source, each once, in the order of its file."""
    keys = set(cited)
    lines = ["Sources"]
    for source in knowledge.sources.values():
        if source.key in keys:
            where = f" doi:{source.doi}" if source.doi else f" PMID {source.pmid}" if source.pmid else ""
            lines += wrap(
                f"{source.code} {source.key}: {source.citation}.{where} [{source.reliability}]",
                "  ",
                "      ",
            )
    return lines


def field(name: str, text: str) -> list[str]:
    """Return a named line, wrapped; nothing where there is no text."""
    return wrap(text, f"  {name + ':':<16}", " " * 18) if text else []


def wrap(text: str, first: str, then: str) -> list[str]:
    """Return `text` in lines no longer than WIDTH; `first` and `then` open the first and the other lines."""
    return textwrap.wrap(text, WIDTH, initial_indent=first, subsequent_indent=then, break_on_hyphens=False)


def grid(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return a table no wider than WIDTH, wrapped within its cells; the first column stays whole."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for place, name in enumerate(header):
        table.add_column(name, no_wrap=place == 0, overflow="fold")
    for row in rows:
        table.add_row(*row)
    console = Console(width=WIDTH - 2, color_system=None, markup=False, emoji=False, highlight=False)
    with console.capture() as capture:
        console.print(table)
    return [f"  {line.rstrip()}" for line in capture.get().splitlines() if line.strip()]
