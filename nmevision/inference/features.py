"""What a network sees in each image of a manifest, computed once and kept in one safe file.

The file is safetensors: plain arrays and texts, nothing that can run. An image is known by the SHA-256 of its file,
the file by the hash of the bundle (which holds the preprocessing), so that a row is reused only where both are the
same. Every row carries a checksum: one that a disk has altered is computed again.
"""

from __future__ import annotations

import json
import os
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from nmevision.ahead import ahead
from nmevision.cores import usable_cores
from nmevision.data.fingerprint import colours
from nmevision.data.images import DEFAULT_MAX_PIXELS, Shrink, read_image
from nmevision.errors import DataError, ImageError, RunError
from nmevision.files import atomic_path, sha256_of
from nmevision.inference.inputs import inputs_from
from nmevision.inference.reader import BundleReader
from nmevision.manifest import Manifest, Sample, manifest_of, read_manifest
from nmevision.networks.bundle import Bundle, open_bundle
from nmevision.progress import progress_bar

Array32 = NDArray[np.float32]
Pixels = NDArray[np.uint8]

FORMAT = "1"
SAVE_EVERY = 60.0
"""Seconds of work between two writings of the file: so much is lost when the machine is switched off."""
COLOURS = "colours"
"""In place of a bundle: 216 shares of colours, which any network must beat."""


@dataclass(frozen=True)
class Extractor:
    """What makes features: a name for people, an identity that changes whenever its numbers do, and the function."""

    name: str
    identity: str
    of: Callable[[Sequence[Pixels]], NDArray[np.floating]]
    batch_size: int = 8
    shrink: Shrink | None = None
    """How much smaller an image may be decoded; None: whole."""


def bundle_extractor(bundle: Bundle, batch_size: int | None = None) -> Extractor:
    """Return the features that a bundle's backbone hands to its heads."""
    reader = BundleReader(bundle, batch_size)
    return Extractor(
        bundle.info.name,
        f"bundle:{bundle.hash}",
        lambda images: reader(images)[1],
        reader.engine.batch_size,
        bundle.info.preprocessing.shrink,
    )


def colour_extractor() -> Extractor:
    """Return the colours of the image, without any place: the baseline."""
    return Extractor(COLOURS, "colours:1", lambda images: np.stack([colours(pixels) for pixels in images]))


@dataclass(frozen=True, eq=False)
class Features:
    """Rows of features. ids: of the manifest; sha256: of each file; values: N x D."""

    extractor: str
    identity: str
    ids: tuple[str, ...]
    sha256: tuple[str, ...]
    values: Array32

    def of(self, ids: Sequence[str]) -> tuple[Array32, NDArray[np.bool_]]:
        """Return the rows of these samples, and which of them there are (the others are left out)."""
        place = {identity: row for row, identity in enumerate(self.ids)}
        there = np.array([identity in place for identity in ids], dtype=bool)
        rows = [place[identity] for identity in ids if identity in place]
        return self.values[rows], there


@dataclass
class Outcome:
    """What one extraction did. failed: sample id -> why there is no row."""

    path: Path
    computed: int = 0
    reused: int = 0
    damaged: int = 0
    failed: dict[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """Return it as lines for the terminal."""
        lines = [f"error: {identity!r}: {why}" for identity, why in list(self.failed.items())[:10]]
        if self.damaged:
            lines.append(f"{self.damaged} rows of the file were damaged and are computed again")
        counts = f"{self.computed} images computed, {self.reused} reused, {len(self.failed)} unreadable"
        return "\n".join([*lines, str(self.path.resolve()), counts])


def read_features(path: Path) -> Features:
    """Return the features in a file; raise DataError where it is missing, damaged or no such file."""
    found, damaged = _read(Path(path))
    if damaged:
        raise DataError(
            f"{path}: {damaged} rows are damaged; run `nmevision features` again with the same --out"
        )
    return found


def _read(path: Path) -> tuple[Features, int]:
    """Return the intact rows of a file and how many are damaged."""
    try:
        with safe_open(path, framework="numpy") as stream:
            words = stream.metadata() or {}
            if words.get("nmevision_features") != FORMAT:
                raise DataError(
                    f"{path}: no features file of format {FORMAT}; `nmevision features` writes one"
                )
            values, digests, sums = (stream.get_tensor(name) for name in ("features", "sha256", "crc32"))
        ids = json.loads(words["ids"])
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; `nmevision features` writes it") from None
    except (OSError, SafetensorError, KeyError, ValueError) as problem:
        raise DataError(
            f"{path}: cannot be read as features: {problem}; remove it and compute it again"
        ) from None
    if not len(ids) == len(values) == len(digests) == len(sums):
        raise DataError(f"{path}: its parts have different lengths; remove it and compute it again")
    intact = [
        i for i in range(len(ids)) if _sum(values[i], digests[i]) == sums[i] and np.isfinite(values[i]).all()
    ]
    kept = Features(
        words["extractor"],
        words["identity"],
        tuple(str(ids[i]) for i in intact),
        tuple(bytes(digests[i]).hex() for i in intact),
        np.asarray(values[intact], np.float32),
    )
    return kept, len(ids) - len(intact)


def _sum(row: NDArray[np.floating], digest: NDArray[np.uint8]) -> int:
    return zlib.crc32(digest.tobytes(), zlib.crc32(np.ascontiguousarray(row, np.float32).tobytes()))


def _write(path: Path, features: Features) -> None:
    """Write the file whole or not at all."""
    digests = np.array([list(bytes.fromhex(one)) for one in features.sha256], np.uint8).reshape(-1, 32)
    values = np.ascontiguousarray(features.values, np.float32)
    sums = np.array([_sum(row, digest) for row, digest in zip(values, digests, strict=True)], np.uint32)
    words = {
        "nmevision_features": FORMAT,
        "extractor": features.extractor,
        "identity": features.identity,
        "ids": json.dumps(features.ids),
    }
    with atomic_path(path) as temporary:
        save_file({"features": values, "sha256": digests, "crc32": sums}, temporary, metadata=words)


def extract_with(bundle: Path | str, manifest: Path, out: Path) -> Outcome:
    """Extract with a bundle's network (or COLOURS) what a manifest file names or a folder holds; see `extract`."""
    extractor = colour_extractor() if str(bundle) == COLOURS else bundle_extractor(open_bundle(Path(bundle)))
    return extract(extractor, _images(Path(manifest)), Path(out))[1]


def _images(where: Path) -> Manifest:
    """Return a manifest file, or the images of a folder under the ids that a prediction gives them."""
    if where.suffix in (".csv", ".parquet"):
        return read_manifest(where)
    found = inputs_from(where)
    return manifest_of([{"id": one.id, "path": os.path.abspath(one.path)} for one in found.samples], where)  # noqa: PTH100 - a link keeps its own name


def extract(
    extractor: Extractor,
    manifest: Manifest,
    out: Path,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    keep_others: bool = False,
) -> tuple[Features, Outcome]:
    """Compute what is not in the file `out` yet, write it there, and return the manifest's rows in order.

    What was interrupted continues; unreadable images are named and left out.
    keep_others: the file keeps the rows of images that this manifest does not name: several runs share it.

    Raises:
        RunError: `out` was made by another model.
        DataError: `out` is there and is no features file, or no image could be read.
    """
    outcome = Outcome(Path(out))
    rows, before = _known(extractor, outcome)
    samples = list(manifest.samples())
    with ThreadPoolExecutor(usable_cores()) as pool, progress_bar("features", len(samples)) as step:
        found = pool.map(_digest, [sample.path for sample in samples])
        digests = {sample.id: digest for sample, digest in zip(samples, found, strict=True)}
        outcome.reused = sum(digest in rows for digest in digests.values())
        filed = before | digests if keep_others else digests
        unreadable = _compute(extractor, samples, filed, rows, outcome, max_pixels, step)
    for sample in samples:
        digest = digests[sample.id]
        if not digest or digest in unreadable:
            outcome.failed[sample.id] = unreadable.get(digest, f"{sample.path.name}: cannot be opened")
    features = _table(extractor, digests, rows)
    if not features.ids:
        raise DataError(
            f"no image could be read: {next(iter(outcome.failed.values()), 'the manifest is empty')}"
        )
    if outcome.damaged or filed != before or not outcome.path.exists():
        _write(outcome.path, _table(extractor, filed, rows))
    return features, outcome


def _compute(
    extractor: Extractor,
    samples: Sequence[Sample],
    digests: Mapping[str, str],
    rows: dict[str, Array32],
    outcome: Outcome,
    max_pixels: int,
    step: Callable[[int], None],
) -> dict[str, str]:
    """Fill `rows` (SHA-256 -> features) with what is missing, each file once; return why some cannot be read."""
    todo = {digests[s.id]: s.path for s in samples if digests[s.id] and digests[s.id] not in rows}
    unreadable: dict[str, str] = {}
    saved, queue, size = time.monotonic(), list(todo.items()), extractor.batch_size
    decode = partial(_decode, max_pixels=max_pixels, shrink=extractor.shrink)
    with ahead(decode, [path for _, path in queue], usable_cores(), size) as looked:
        for start in range(0, len(queue), size):
            decoded = {digest: next(looked) for digest, _ in queue[start : start + size]}
            unreadable |= {digest: why for digest, why in decoded.items() if isinstance(why, str)}
            images = {digest: pixels for digest, pixels in decoded.items() if not isinstance(pixels, str)}
            if images:
                values = np.asarray(extractor.of(list(images.values())), np.float32)
                rows |= dict(zip(images, values, strict=True))
                outcome.computed += len(images)
            if time.monotonic() - saved > SAVE_EVERY:
                _write(outcome.path, _table(extractor, digests, rows))
                saved = time.monotonic()
            step(outcome.reused + start + len(decoded))
    return unreadable


def _known(extractor: Extractor, outcome: Outcome) -> tuple[dict[str, Array32], dict[str, str]]:
    """Return the intact rows that an earlier run left, by the files' SHA-256, and which sample had which."""
    if not outcome.path.exists():
        return {}, {}
    found, outcome.damaged = _read(outcome.path)
    if found.identity != extractor.identity:
        raise RunError(
            f"{outcome.path} holds the features of {found.extractor} ({found.identity[:19]}), this is "
            f"{extractor.name} ({extractor.identity[:19]}); choose another --out"
        )
    return dict(zip(found.sha256, found.values, strict=True)), dict(zip(found.ids, found.sha256, strict=True))


def _digest(path: Path) -> str:
    """Return a file's SHA-256, "" where it cannot be opened."""
    try:
        return sha256_of(path)
    except OSError:
        return ""


def _decode(path: Path, max_pixels: int, shrink: Shrink | None) -> Pixels | str:
    """Return an image's pixels, or why there are none."""
    try:
        return read_image(path, max_pixels, shrink).pixels
    except ImageError as problem:
        return str(problem)


def _table(extractor: Extractor, digests: Mapping[str, str], rows: Mapping[str, Array32]) -> Features:
    """Return the rows that there are of the samples (id -> SHA-256), in order."""
    there = {identity: digest for identity, digest in digests.items() if digest in rows}
    values = np.stack([rows[digest] for digest in there.values()]) if there else np.zeros((0, 1), np.float32)
    return Features(extractor.name, extractor.identity, tuple(there), tuple(there.values()), values)
