"""The tiles of a slide as GeoJSON that QuPath opens: squares with their most probable diagnosis and all numbers.

Coordinates are level-0 pixels from the corner of the scanned area, as QuPath counts them.
"""

from __future__ import annotations

import colorsys
import json
import math
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nmevision.files import write_text
from nmevision.manifest_checks import FINDING_PREFIX
from nmevision.predictions import NOVELTY, PROBABILITY_PREFIX

FOLDER = "geojson"
_SPACE = uuid.UUID("6f2ddc0a-9d2b-5f0e-8a3e-6f1f8a0f7b11")  # of our names: the same run gives the same ids
_SHOWN = (PROBABILITY_PREFIX, FINDING_PREFIX, NOVELTY, "tissue", "surface")


def file_name(identity: str) -> str:
    """Return the file's name for a slide's id.

    >>> file_name("case 1/biopsy.svs")
    'case 1__biopsy.svs.geojson'
    """
    return identity.replace("/", "__").replace("\\", "__") + ".geojson"


def write_geojson(path: Path, rows: Sequence[Mapping[str, Any]], diagnoses: Sequence[str]) -> None:
    """Write a slide's tiles (rows of tiles.csv) as a FeatureCollection; tiles that were not read are left out."""
    names = [PROBABILITY_PREFIX + key for key in diagnoses]
    features = [_feature(row, names, diagnoses) for row in rows if _number(row.get(names[0])) is not None]
    text = json.dumps(
        {"type": "FeatureCollection", "features": features}, ensure_ascii=False, allow_nan=False
    )
    write_text(path, text + "\n")


def _feature(row: Mapping[str, Any], names: Sequence[str], diagnoses: Sequence[str]) -> dict[str, Any]:
    left, top = row["x"] - row["origin_x"], row["y"] - row["origin_y"]
    right, bottom = left + row["width"], top + row["width"]
    best = max(range(len(names)), key=lambda i: row[names[i]])
    measured = {
        name: number
        for name, value in row.items()
        if name.startswith(_SHOWN) and (number := _number(value)) is not None
    }
    return {
        "type": "Feature",
        "id": str(uuid.uuid5(_SPACE, f"{row['id']}/{row['tile']}")),
        "geometry": {
            "type": "Polygon",
            "coordinates": [[[left, top], [right, top], [right, bottom], [left, bottom], [left, top]]],
        },
        "properties": {
            "objectType": "tile",
            "name": f"tile {row['tile']}" + (" (chosen)" if row["chosen"] else ""),
            "classification": {"name": diagnoses[best], "color": _colour(best, len(names))},
            "measurements": measured,
        },
    }


def _number(value: object) -> float | None:
    """Return a finite number, else None."""
    return float(value) if isinstance(value, (int, float)) and math.isfinite(value) else None


def _colour(place: int, count: int) -> list[int]:
    """Return a colour (RGB, 0-255) of its own for each class."""
    return [round(255 * part) for part in colorsys.hsv_to_rgb(place / count, 0.75, 0.85)]
