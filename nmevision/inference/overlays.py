"""Heat maps as files: one transparent PNG per image and finding or group, and an index of what each one shows."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from nmevision.data.images import DEFAULT_MAX_PIXELS, read_image
from nmevision.data.slides import is_slide
from nmevision.errors import ImageError
from nmevision.files import atomic_path, sha256_of_text, write_json
from nmevision.inference.heatmaps import Heat, HeatMaps, Kind, upright
from nmevision.inference.inputs import Inputs
from nmevision.inference.slide_heats import SlideHeats
from nmevision.inference.slides import SlideOptions
from nmevision.manifest import Sample
from nmevision.manifest_checks import FINDING_PREFIX
from nmevision.networks.bundle import Bundle
from nmevision.predictions import GROUP_PREFIX, PredictionTable
from nmevision.progress import progress_bar

FOLDER, INDEX = "overlays", "index.json"
LONGEST = 1024
"""Pixels of an overlay's longer side at most."""
LEAST = {"findings": 0.5, "groups": 0.1}
"""A map is drawn of a finding graded at least so (0-3), of a group with at least this probability: what is not seen
has no place."""
COLOURS = "viridis"
"""Evenly perceived, also by the colour-blind (Nunez et al. 2018, doi:10.1371/journal.pone.0199239)."""
OPAQUE = 0.8
"""Opacity of the warmest place; the others' is in proportion, and where nothing is warm it is clear."""
NOTE = (
    "Colour and opacity grow with what a place adds to the score (gradient times activation), from nothing to the most "
    "in this image. A map shows where the network looked, not that it is right."
)


@dataclass(frozen=True)
class Overlays:
    """What was drawn. failed: sample id -> why there is none."""

    path: Path
    drawn: int
    reused: int
    failed: dict[str, str]

    @property
    def text(self) -> str:
        """Return it as lines for the terminal."""
        lines = [f"no overlay: {identity!r}: {why}" for identity, why in list(self.failed.items())[:10]]
        counts = f"overlays: {self.drawn} images drawn, {self.reused} kept, {len(self.failed)} failed"
        return "\n".join([*lines, counts, str(self.path.resolve())])


def safe_name(identity: str) -> str:
    """Return a folder's name for any sample id, different for different ids on every file system.

    >>> safe_name("Anna/left arm.JPG")
    'Anna_left_arm.JPG-e82a8520'
    """
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", identity).strip("._")[:60]
    return f"{plain or 'image'}-{sha256_of_text(identity)[:8]}"


def draw_overlays(
    maps: HeatMaps,
    inputs: Inputs,
    table: PredictionTable,
    out: Path,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    slides: SlideOptions | None = None,
) -> Overlays:
    """Write OUT/overlays for the answered rows of a prediction; what is there already is kept.

    slides: how whole slides were read. An image that cannot be read any more is named and left out.
    """
    folder, bundle = Path(out) / FOLDER, maps.bundle
    paths = {sample.id: sample for sample in inputs.samples}
    failed: dict[str, str] = {}
    drawn = reused = 0
    answered = table.answered
    sources = _Sources(maps, SlideHeats(maps, out, slides or SlideOptions()), max_pixels)
    with progress_bar("overlays", len(answered)) as step, closing(sources.slides):
        for number, (_, row) in enumerate(answered.iterrows(), 1):
            sample = paths[row["id"]]
            record = folder / safe_name(sample.id) / f"{maps.kind}.json"
            if _is_whole(record, bundle.hash):
                reused += 1
            else:
                try:
                    _draw(sources, sample, row, record)
                    drawn += 1
                except ImageError as problem:
                    failed[sample.id] = str(problem)
            step(number)
    _write_index(folder, bundle, [str(name) for name in answered["id"]], failed)
    return Overlays(folder / INDEX, drawn, reused, failed)


@dataclass(frozen=True)
class _Sources:
    """What maps are drawn with: of images, and of whole slides."""

    maps: HeatMaps
    slides: SlideHeats
    max_pixels: int

    def of(self, sample: Sample, keys: list[str]) -> tuple[dict[str, Heat], tuple[int, int]]:
        """Return key -> heat, 0 or more, upright, and height and width of the image; raise ImageError."""
        if is_slide(sample.path, self.maps.info.modality):
            return self.slides.of(sample, keys, LONGEST)
        pixels = read_image(sample.path, self.max_pixels).pixels
        shape = pixels.shape[0], pixels.shape[1]
        found = self.maps.of(pixels, keys) if keys else {}
        frame = self.maps.info.preprocessing
        return {key: upright(found[key], frame, shape, LONGEST) for key in keys}, shape


def _draw(sources: _Sources, sample: Sample, row: pd.Series, record: Path) -> None:
    """Write one image's overlays, and last the record that says that they are whole."""
    maps = sources.maps
    values = dict(_values(row, maps.names, maps.kind))
    present = {key: value for key, value in values.items() if value >= LEAST[maps.kind]}
    heats, shape = sources.of(sample, list(present))
    entries = []
    for key, value in present.items():
        heat = heats[key]
        place = record.with_name(f"{key}.png")
        with atomic_path(place) as temporary:
            overlay_of(heat).save(temporary, format="PNG", optimize=True)
        entries.append(
            {
                "file": f"{place.parent.name}/{place.name}",
                "kind": maps.kind,
                "key": key,
                "name": maps.names[key],
                "value": round(value, 4),
                "empty": not heat.max() > 0,
                "warmest": _warmest(heat, shape),
            }
        )
    absent = {key: round(value, 4) for key, value in values.items() if key not in present}
    content = {"bundle": maps.bundle.hash, "id": sample.id, "size": [shape[1], shape[0]]}
    write_json(record, content | {"maps": entries, "not_drawn": absent})


def _values(row: pd.Series, names: Mapping[str, str], kind: Kind) -> Iterator[tuple[str, float]]:
    """Yield key and what was predicted: a finding's grade, 0 to 3, or a group's probability."""
    prefix = FINDING_PREFIX if kind == "findings" else GROUP_PREFIX
    for key in names:
        yield key, float(row[prefix + key])


def _warmest(heat: Heat, shape: tuple[int, int]) -> list[int] | None:
    """Return x and y of the warmest place in pixels of the whole image, None where nothing is warm."""
    if not heat.max() > 0:
        return None
    row, column = np.unravel_index(int(heat.argmax()), heat.shape)
    x, y = (column + 0.5) * shape[1] / heat.shape[1], (row + 0.5) * shape[0] / heat.shape[0]
    return [int(x), int(y)]


def overlay_of(heat: NDArray[np.floating]) -> Image.Image:
    """Return a palette picture of heat, 0 or more, with clear where there is none.

    The palette's index is the heat as a share of the warmest, 0 to 255, so that the numbers can be read back.
    """
    from matplotlib import colormaps

    top = float(heat.max())
    shares = heat / top if top > 0 else np.zeros_like(heat)
    steps = np.linspace(0, 1, 256)
    picture = Image.fromarray(np.rint(255 * shares).astype(np.uint8))
    picture.putpalette(np.rint(255 * colormaps[COLOURS](steps)[:, :3]).astype(np.uint8).tobytes())
    picture.info["transparency"] = np.rint(255 * OPAQUE * steps).astype(np.uint8).tobytes()
    return picture


def _is_whole(record: Path, bundle_hash: str) -> bool:
    """Tell whether an image's overlays were written by this model."""
    try:
        return bool(json.loads(record.read_text(encoding="utf-8"))["bundle"] == bundle_hash)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _write_index(folder: Path, bundle: Bundle, identities: list[str], failed: Mapping[str, str]) -> None:
    """Write which file belongs to which image, over both kinds."""
    images: list[dict[str, Any]] = []
    for identity in identities:
        records = [folder / safe_name(identity) / f"{kind}.json" for kind in LEAST]
        whole = [json.loads(r.read_text(encoding="utf-8")) for r in records if _is_whole(r, bundle.hash)]
        if whole:
            images.append(
                {
                    "id": identity,
                    "size": whole[0]["size"],
                    "maps": [one for part in whole for one in part["maps"]],
                    "not_drawn": {key: v for part in whole for key, v in part["not_drawn"].items()},
                }
            )
    content = {
        "bundle": {"name": bundle.info.name, "hash": bundle.hash, "phantom": bundle.info.phantom},
        "note": NOTE,
        "colours": COLOURS,
        "drawn_from": LEAST,
        "images": images,
        "failed": dict(failed),
    }
    write_json(folder / INDEX, content)
