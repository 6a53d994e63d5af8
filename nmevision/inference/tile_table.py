"""tiles.csv: one row per tile of every slide, kept as slides are done, so that a resumed run has them all."""

from __future__ import annotations

import json
from collections.abc import Container, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from nmevision.files import write_csv
from nmevision.inference.geojson import FOLDER, file_name, write_geojson

TILES = "tiles.csv"
PARTIAL = "tiles.partial.jsonl"
DECIMALS = 6
"""Of a tile's numbers: enough to draw and to rank them."""
Row = dict[str, Any]


class TileTable:
    """The tiles of one prediction's slides.

    out: the output folder. known: ids of the slides whose answers an earlier run left; tiles of others are dropped,
    for an interrupted slide is read again.
    """

    def __init__(self, out: Path, known: Container[str]) -> None:
        self._out = out
        self._path = out / PARTIAL
        self._known = known
        self._added: set[str] = set()

    def add(self, identity: str, rows: list[Row]) -> None:
        """Keep one slide's tiles, on disk at once."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        torn = self._path.exists()  # its last line may be
        with self._path.open("a", encoding="utf-8") as stream:
            stream.write("\n" * torn + json.dumps({"id": identity, "tiles": rows}) + "\n")
        self._added.add(identity)

    def slides(self) -> dict[str, list[Row]]:
        """Return every slide's tiles by id: of an earlier finished run, and of this one's file."""
        import pandas as pd

        slides: dict[str, list[Row]] = {}
        finished = self._out / TILES
        if finished.is_file():
            table = pd.read_csv(
                finished, dtype={"id": str, "flags": str}, keep_default_na=False, na_values=[""]
            )
            table["flags"] = table["flags"].fillna("")
            for identity, part in table.groupby("id", sort=False):
                if str(identity) in self._known:
                    slides[str(identity)] = part.to_dict("records")  # type: ignore[assignment]
        for line in self._lines():
            if line["id"] in self._known or line["id"] in self._added:
                slides[line["id"]] = line["tiles"]
        return slides

    def remove(self) -> None:
        """Delete the file: everything is in tiles.csv."""
        self._path.unlink(missing_ok=True)

    def _lines(self) -> Iterator[Mapping[str, Any]]:
        if not self._path.is_file():
            return
        with self._path.open(encoding="utf-8", errors="replace") as stream:
            for text in stream:
                try:
                    line = json.loads(text)
                except ValueError:
                    continue
                if isinstance(line, dict) and "tiles" in line:
                    yield line


def write_tiles(out: Path, slides: Mapping[str, list[Row]], diagnoses: Sequence[str]) -> None:
    """Write tiles.csv and, for QuPath, one GeoJSON per slide; nothing where there was no slide.

    slides: the tiles of each by its id, in the order of the table.
    """
    import pandas as pd

    for identity, rows in slides.items():
        if rows:
            write_geojson(out / FOLDER / file_name(identity), rows, diagnoses)
    every = [row for rows in slides.values() for row in rows]
    if every:
        write_csv(out / TILES, pd.DataFrame(every), DECIMALS)
