"""The pictures of a page: images drawn anew and shrunk, without any of their metadata, and overlays on them."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from nmevision.ahead import ahead
from nmevision.cores import usable_cores
from nmevision.data.images import read_image
from nmevision.data.slides import is_slide
from nmevision.errors import ImageError, NmevisionError
from nmevision.files import atomic_path
from nmevision.manifest import read_manifest
from nmevision.reader.slides import Slides

SIDES = (2048, 1536, 1024, 768, 512, 384, 256, 192, 160, 128, 96)
"""Pixels of the longer side that images are shrunk to: the largest with which they all fit into BUDGET."""
THUMBNAIL = 112
"""Longer side of the worklist's pictures where the images themselves are larger."""
LIGHT = 256
"""Longer side up to which an image is its own thumbnail."""
LARGE_BESIDE = 4096
"""Longer side of the images that lie beside the page."""
OVERLAY_SIDE = 1024
BUDGET, OVERLAY_BUDGET = 10_000_000, 5_000_000
"""Bytes of all images and of all overlays in the page before base64, which adds a third."""
BYTES_PER_PIXEL = 0.15
"""Of an overview of a slide, most of which is glass."""
SAMPLED = 12
"""Images from which the size of all is told."""
MOST_OVERLAY_PIXELS = 50_000_000
QUALITY = 68
OVERLAYS, INDEX = "overlays", "index.json"

Find = Callable[[str, str], Path | None]
"""Where the image of an id and a path lies; None where it is not to be had."""
Overlays = dict[str, list[tuple[str, str]]]
"""Id of an image -> name and file of each of its overlays."""


@dataclass(frozen=True)
class Origin:
    """Where the pictures of a prediction come from: its folder, the images, and what its slides' tiles say."""

    folder: Path
    find: Find
    modality: str
    target: tuple[str, ...] = ()
    """Diagnoses whose probability colours a tile."""


@dataclass
class Pictures:
    """The pictures of a page: `stored` as data URIs or names of files beside it, and which row has which."""

    beside: Path | None = None
    """Folder of the large pictures; None: all is in the page."""
    stored: list[str] = field(default_factory=list)
    of_row: dict[int, dict[str, Any]] = field(default_factory=dict)
    missing: int = 0
    """Rows whose image was not found or could not be read."""
    left_out: int = 0
    """Overlays that did not fit into the page."""
    left: int = OVERLAY_BUDGET
    """Bytes that overlays may still take."""

    def add_row(self, row: int, made: list[bytes], overlays: Iterable[tuple[str, bytes]]) -> None:
        """Keep the pictures of one row: the small one, the large one where it is another, and overlays."""
        if not made:
            return
        own: dict[str, Any] = {"thumbnail": self._keep(_uri(made[0])), "overlays": []}
        own["image"] = own["thumbnail"] if len(made) == 1 else self._place(f"{row + 1:05d}.webp", made[1])
        for number, (name, drawn) in enumerate(overlays, 1):
            if self.beside is None and len(drawn) > self.left:
                self.left_out += 1
                continue
            self.left -= len(drawn)
            own["overlays"].append([name, self._place(f"{row + 1:05d}-{number:02d}.webp", drawn)])
        self.of_row[row] = own

    def add_small(self, webp: bytes) -> int:
        """Keep a picture that belongs to no row, in the page; return its number."""
        return self._keep(_uri(webp))

    def _place(self, name: str, webp: bytes) -> int:
        """Keep a large picture: in the page, or under `name` beside it."""
        return self._keep(_uri(webp) if self.beside is None else _put_beside(self.beside, name, webp))

    def _keep(self, picture: str) -> int:
        self.stored.append(picture)
        return len(self.stored) - 1


def finder(folder: Path, images_from: Path | None) -> Find:
    """Return where to look for the images of a prediction.

    Args:
        folder: of the predictions; without `images_from` only it is looked into, first in its images/.
        images_from: the folder, manifest or image that was predicted on.
    """
    if images_from is None:
        return lambda _, path: inside(folder / "images", path) or inside(folder, path)
    if images_from.suffix in (".csv", ".parquet") and images_from.is_file():
        paths = {sample.id: sample.path for sample in read_manifest(images_from).samples()}
        return lambda identity, _: paths.get(identity)
    if images_from.is_file():
        return lambda _, path: images_from if path == images_from.name else None
    return lambda _, path: inside(images_from, path)


def inside(folder: Path, name: str) -> Path | None:
    """Return the file or folder `name` below `folder`, or None where there is none or it leads out of it."""
    try:
        path, root = (folder / name).resolve(), folder.resolve()
        return path if path.is_relative_to(root) and path != root and path.exists() else None
    except (OSError, ValueError):
        return None


def pictures_of(
    rows: list[dict[str, Any]], origin: Origin, beside: Path | None, step: Callable[[int], None]
) -> Pictures:
    """Return the pictures of all rows that can be read, and their overlays.

    Args:
        rows: of predictions.csv, with id, path and status.
        origin: where the pictures come from.
        beside: folder for large images, which the page then only names; None: all is in the page.
        step: told how many rows are done.
    """
    paths = [origin.find(row["id"], row["path"]) if row["status"] != "error" else None for row in rows]
    whole = [path is not None and is_slide(path, origin.modality) for path in paths]
    images = [None if slide else path for path, slide in zip(paths, whole, strict=True)]
    side = side_for([path for path in images if path is not None])
    pictures, index = Pictures(beside), overlay_index(origin.folder)
    slides = Slides(origin.folder, origin.target)
    try:
        for i, made in enumerate(_shrunk(images, side, beside is not None)):
            step(i + 1)
            identity, path = rows[i]["id"], paths[i]
            if path is not None and whole[i]:
                made, drawn = _slide(slides, path, identity, _side_of_slides(sum(whole)))
                pictures.add_row(i, made, drawn)
            else:
                pictures.add_row(i, made, _overlays(origin.folder, identity, index) if made else ())
            pictures.missing += not made and rows[i]["status"] != "error"
    finally:
        slides.stop()
    return pictures


def _slide(
    slides: Slides, path: Path, identity: str, side: int
) -> tuple[list[bytes], list[tuple[str, bytes]]]:
    """Return a slide's pictures and overlays, none where it cannot be read."""
    try:
        picture, overlays = slides.read(path, identity)
    except ImageError:
        return [], []
    return _in_page(picture, side), [(name, _encoded(_fit(drawn, OVERLAY_SIDE))) for name, drawn in overlays]


def _side_of_slides(slides: int) -> int:
    """Return the longer side with which the overviews of so many slides fit into BUDGET."""
    return next((side for side in SIDES if BYTES_PER_PIXEL * side**2 * slides <= BUDGET), SIDES[-1])


def side_for(paths: list[Path]) -> int:
    """Return the longer side with which all images fit into BUDGET, told from SAMPLED of them."""
    sampled = [
        p for p in (_decoded(path) for path in paths[:: max(1, len(paths) // SAMPLED)]) if p is not None
    ]
    if not sampled:
        return SIDES[-1]
    for side in SIDES:
        size = sum(len(one) for picture in sampled for one in _in_page(picture, side)) / len(sampled)
        if size * len(paths) <= BUDGET:
            return side
    return SIDES[-1]


def _shrunk(paths: list[Path | None], side: int, beside: bool) -> Iterator[list[bytes]]:
    """Yield each row's pictures: the small one, then the large one where it is another; [] where there is none."""

    def make(path: Path | None) -> list[bytes]:
        picture = _decoded(path) if path is not None else None
        if picture is None:
            return []
        if beside:
            return [_encoded(_fit(picture, min(side, LIGHT))), _encoded(_fit(picture, LARGE_BESIDE))]
        return _in_page(picture, side)

    with ahead(make, paths, usable_cores(), 64) as pictures:
        yield from pictures


def _in_page(picture: Image.Image, side: int) -> list[bytes]:
    """Return a picture as the page holds it, after a small one for the list where it is large itself."""
    large = _fit(picture, side)
    small = [_encoded(_fit(picture, THUMBNAIL))] if max(large.size) > LIGHT else []
    return [*small, _encoded(large)]


def _decoded(path: Path) -> Image.Image | None:
    """Return an image upright and without metadata; None where it cannot be read."""
    try:
        return Image.fromarray(read_image(path).pixels)
    except ImageError:
        return None


def thumbnail_of(path: Path, side: int) -> bytes | None:
    """Return an image as WebP of at most `side` pixels, without metadata; None where it cannot be read."""
    picture = _decoded(path)
    return None if picture is None else _encoded(_fit(picture, side))


def _fit(picture: Image.Image, side: int) -> Image.Image:
    """Return a picture with a longer side of at most `side` pixels."""
    if max(picture.size) <= side:
        return picture
    scale = side / max(picture.size)
    size = tuple(max(1, round(scale * length)) for length in picture.size)
    return picture.resize((size[0], size[1]), Image.Resampling.LANCZOS, reducing_gap=3.0)


def _encoded(picture: Image.Image) -> bytes:
    """Return a picture as WebP of its pixels alone."""
    stream = io.BytesIO()
    picture.save(stream, "WEBP", quality=QUALITY, method=2)
    return stream.getvalue()


def overlay_index(folder: Path) -> Overlays:
    """Return name and file (below overlays/) of every image's overlays, the strongest first."""
    try:
        content = json.loads((folder / OVERLAYS / INDEX).read_text(encoding="utf-8"))
        return {
            str(image["id"]): [
                (f"{one['name']} {float(one['value']):.2f}", str(one["file"]))
                for one in sorted(image["maps"], key=lambda one: -float(one["value"]))
            ]
            for image in content["images"]
        }
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _overlays(folder: Path, identity: str, index: Overlays) -> Iterator[tuple[str, bytes]]:
    """Yield name and WebP of the overlays of one image, each of the image's shape.

    They are those that the index names for it, else overlays/<id>/*.png.
    """
    root = folder / OVERLAYS
    own = inside(root, identity) if identity not in index else None
    named = [(path.stem.replace("_", " "), path) for path in sorted(own.glob("*.png"))] if own else []
    named += [
        (name, path) for name, file in index.get(identity, []) if (path := inside(root, file)) is not None
    ]
    for name, path in named:
        try:
            with Image.open(path, formats=["PNG"]) as opened:
                if opened.width * opened.height > MOST_OVERLAY_PIXELS:
                    continue
                drawn = _encoded(_fit(opened.convert("RGBA"), OVERLAY_SIDE))
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            continue
        yield name, drawn


def _uri(webp: bytes) -> str:
    return "data:image/webp;base64," + base64.b64encode(webp).decode("ascii")


def _put_beside(folder: Path, name: str, webp: bytes) -> str:
    """Write a picture beside the page and return its name as seen from there."""
    try:
        with atomic_path(folder / name) as temporary:
            temporary.write_bytes(webp)
    except OSError as problem:
        raise NmevisionError(f"{folder / name}: cannot be written ({problem.strerror})") from None
    return f"{folder.name}/{name}"
