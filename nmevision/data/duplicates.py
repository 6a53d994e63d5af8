"""Images that show the same field: turned, mirrored, re-compressed, brightened, framed or cropped a little.

Two steps. Perceptual hashes of the thumbnails (a DCT hash and a difference hash, 64 bits each) propose pairs
over the eight orientations; then each pair is laid over one another and its fine detail is correlated. The
limits were set on 1,194 fields of real H&E and 140 dermoscopy photographs (889,111 pairs, of which 13 are
found, all of them of one field: `tests/unit/data/test_duplicates.py` lists them) and on changed copies of 200
of them. Of those turned, re-compressed at quality 30 to 50, halved, framed, darkened, brightened or cropped by
5 in 100 of a side, 98 in 100 and more are found; of those cropped by 10 in 100, 7 in 8 where the crop is about
the centre and half where it is anywhere; by a fifth, 1 in 7: only a trained descriptor finds the rest. No
images were kept apart to confirm the limits on, and aligning takes 3 ms of a core per proposed pair.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.fft import dct
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from nmevision.cores import usable_cores
from nmevision.data.thumbnails import SIDE, Grey
from nmevision.errors import DataError

Hashes = npt.NDArray[np.uint64]

ORIENTATIONS = (
    "as it is",
    "mirrored",
    "upside down",
    "turned by 180",
    "transposed",
    "turned right",
    "turned left",
    "transposed the other way",
)
"""What `oriented(image, k)` does, in words."""

HASH_LIMIT = 28
"""Bits of 128 in which the hashes of a proposed pair may differ, in the best of eight orientations. Of the real
pairs half differ by more than 52, and 1 in 10,000 by 28 or less; at 32 it is 1 in 1,000."""
SAME_DETAIL = 0.7
"""Correlation of the aligned detail from which two images are the same field. Nearly all copies that were
proposed reach it. Of the 118 real pairs proposed 13 have 0.73 to 1, all of one field; the next has 0.59."""
LARGEST_SCALE = 1.6
"""Ratio of areas beyond which an alignment has not found the same field but shrunk one blob onto another."""
SMALLEST_OVERLAP = 0.7
"""Share of the thumbnail that the aligned images must have in common."""
BLIND_SPOTS = (
    "crops: of those by a tenth of a side 1 in 8 about the centre and half anywhere are missed, of those by a fifth 6 in 7",
    "another exposure of the same field or lesion, unless camera and light hardly moved",
)
"""What this search misses, measured on changed copies of real images (above); said by every audit."""
MOST_PAIRS = 20_000_000
"""Proposed pairs that are held in memory at most (about 0.5 GB)."""

_ROWS, _COLUMNS = 16, 8192  # hashes compared at once: 1.5 MB, small enough for the processor's cache
_LOW = 8  # frequencies kept of the DCT, as in the common "pHash"
_DETAIL = 4.0  # pixels of a thumbnail: what is coarser is lighting and the outline of a lesion, not detail
_SETTLED = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 40, 1e-3)
_SMOOTHING = 5  # pixels, the Gaussian window of the alignment


def oriented(images: Grey, orientation: int) -> Grey:
    """Return images (... x height x width) in one of the eight orientations, 0 being unchanged.

    Bit 4 transposes, then bit 1 mirrors left and right, bit 2 top and bottom.
    """
    if orientation & 4:
        images = np.swapaxes(images, -1, -2)
    if orientation & 1:
        images = images[..., ::-1]
    return images[..., ::-1, :] if orientation & 2 else images


def hashes(thumbnails: Grey) -> Hashes:
    """Return the hashes of thumbnails in all orientations: uint64, images x 8 orientations x 2 kinds.

    Kind 0: signs of the 8 x 8 lowest DCT coefficients about their median, after Zauner 2010. A turned image
    has the same coefficients, transposed and with other signs, so that one transform gives all eight.
    Kind 1: which of two neighbours is brighter on an 8 x 9 grid (difference hash).
    """
    found = np.empty((len(thumbnails), 8, 2), np.uint64)
    basis = dct(np.eye(SIDE), axis=0, norm="ortho")[:_LOW].astype(np.float32)
    signs = np.where(np.arange(_LOW) % 2, -1, 1).astype(np.float32)
    for start in range(0, len(thumbnails), 1024):
        block = thumbnails[start : start + 1024].astype(np.float32)
        waves = basis @ block @ basis.T
        wide = block.reshape(-1, 8, 9, 9, 8).mean(axis=(2, 4))
        tall = np.swapaxes(block.reshape(-1, 9, 8, 8, 9).mean(axis=(2, 4)), 1, 2)
        for k in range(8):
            turned = np.swapaxes(waves, 1, 2) if k & 4 else waves
            turned = turned * (signs if k & 1 else 1) * (signs[:, np.newaxis] if k & 2 else 1)
            flat = turned.reshape(len(block), -1)
            found[start : start + 1024, k, 0] = _packed(flat > np.median(flat, axis=1, keepdims=True))
            grid = oriented(tall if k & 4 else wide, k & 3)
            found[start : start + 1024, k, 1] = _packed(
                (grid[:, :, 1:] > grid[:, :, :-1]).reshape(len(block), -1)
            )
    return found


def _packed(bits: npt.NDArray[np.bool_]) -> Hashes:
    """Return rows of 64 truths as one number each."""
    return np.packbits(bits, axis=1).view(np.uint64).ravel()


def propose_pairs(
    found: Hashes, limit: int = HASH_LIMIT, progress: Callable[[int], None] | None = None
) -> pd.DataFrame:
    """Return every pair whose hashes differ in at most `limit` of 128 bits in some orientation.

    Columns first < second (rows of `found`), orientation (of the second that fits the first best), distance
    (bits); sorted. Every pair is compared, by blocks that fit the processor's cache, on all its cores:
    100,000 images are 40 billion comparisons of 128 bits, about 76 s of one core.

    progress: called with the number of rows done so far.
    Raises DataError beyond MOST_PAIRS.
    """
    kinds = np.ascontiguousarray(np.moveaxis(found, 0, 2))
    parts = [np.empty((0, 4), np.int64)]
    total = 0
    tops = range(0, len(found), _ROWS)
    with ThreadPoolExecutor(usable_cores()) as pool:
        for top, part in zip(tops, pool.map(lambda top: _close_pairs(kinds, top, limit), tops), strict=True):
            parts.append(part)
            total += len(part)
            if total > MOST_PAIRS:
                pool.shutdown(wait=False, cancel_futures=True)
                raise DataError(
                    f"more than {MOST_PAIRS:,} pairs of images look alike; expected a set of different images: "
                    "leave out repeated ones, or audit the set in parts"
                )
            if progress is not None:
                progress(min(top + _ROWS, len(found)))
    pairs = pd.DataFrame(np.concatenate(parts), columns=["first", "second", "orientation", "distance"])
    pairs = pairs.sort_values(["first", "second", "distance", "orientation"], ignore_index=True)
    return pairs.drop_duplicates(["first", "second"], ignore_index=True)


def _close_pairs(kinds: Hashes, top: int, limit: int) -> npt.NDArray[np.int64]:
    """Return (first, second, orientation, distance) of the close pairs of some rows with all later ones.

    kinds: 8 orientations x 2 kinds x images.
    """
    rows = kinds[0, :, top : top + _ROWS, np.newaxis]
    other = np.empty((rows.shape[1], _COLUMNS), np.uint64)  # made once: fresh memory costs more than the sums
    one, two = np.empty(other.shape, np.uint8), np.empty(other.shape, np.uint8)
    close = [np.empty((0, 4), np.int64)]
    for left in range(top, kinds.shape[2], _COLUMNS):
        for k in range(8):
            columns = kinds[k, :, left : left + _COLUMNS]
            n = columns.shape[1]
            np.bitwise_count(np.bitwise_xor(rows[0], columns[0], out=other[:, :n]), out=one[:, :n])
            np.bitwise_count(np.bitwise_xor(rows[1], columns[1], out=other[:, :n]), out=two[:, :n])
            distance = np.add(one[:, :n], two[:, :n], out=one[:, :n])
            near = distance <= limit
            if near.any():
                first, second = np.nonzero(near)
                orientation = np.full(len(first), k)
                pair = np.stack([first + top, second + left, orientation, distance[near]], axis=1)
                close.append(pair[pair[:, 0] < pair[:, 1]])
    return np.concatenate(close).astype(np.int64)


def likeness(first: Grey, second: Grey) -> float:
    """Return how far two thumbnails show the same field: the correlation of their aligned detail, -1 to 1.

    One is laid over the other by a shift, stretch and turn (the enhanced correlation coefficient of
    Evangelidis and Psarakis 2008, doi:10.1109/TPAMI.2008.113), which allows for crops and a border that was
    left; then what is finer than a few pixels is correlated where both have pixels. Brightness and contrast
    do not matter. The better of both ways is taken: the alignment settles where the first lies within the
    second, and of originals laid over their crops it missed half. 0 where none is found at about one size.

    >>> field = np.random.default_rng(0).integers(0, 255, (12, 12), dtype=np.uint8)
    >>> big = cv2.resize(field, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    >>> likeness(big, big // 2 + 40) > 0.98
    True
    """
    return max(_laid_over(first, second), _laid_over(second, first))


def _laid_over(first: Grey, second: Grey) -> float:
    """Return the correlation of detail after moving the second onto the first."""
    warp = np.eye(2, 3, dtype=np.float32)
    try:
        cv2.findTransformECC(first, second, warp, cv2.MOTION_AFFINE, _SETTLED, None, _SMOOTHING)  # type: ignore[call-overload]
    except cv2.error:  # it does not settle: as a rule because nothing fits
        return 0.0
    area = abs(float(np.linalg.det(warp[:, :2])))
    if not 1 / LARGEST_SCALE <= area <= LARGEST_SCALE:
        return 0.0
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    common = cv2.warpAffine(np.ones((SIDE, SIDE), np.float32), warp, (SIDE, SIDE), flags=flags) > 0.99
    if common.mean() < SMALLEST_OVERLAP:
        return 0.0
    moved = cv2.warpAffine(second.astype(np.float32), warp, (SIDE, SIDE), flags=flags)
    one, other = _detail(first)[common], _detail(moved)[common]
    if one.std() == 0 or other.std() == 0:
        return 0.0
    return float(np.corrcoef(one, other)[0, 1])


def _detail(image: npt.NDArray[np.generic]) -> npt.NDArray[np.float32]:
    """Return what is finer than a few pixels."""
    values = image.astype(np.float32)
    return np.asarray(values - cv2.GaussianBlur(values, (0, 0), _DETAIL), np.float32)


def near_duplicates(
    thumbnails: Grey, usable: npt.NDArray[np.bool_], progress: Callable[[int], None] | None = None
) -> pd.DataFrame:
    """Return the pairs that show one field: first, second, orientation, distance (bits), likeness.

    usable: which of the thumbnails take part: a blank image is like every other, and one of several
        byte-identical files is enough.
    progress: called with the number of thumbnails compared so far.
    """
    rows = np.flatnonzero(usable)
    pairs = propose_pairs(hashes(thumbnails[rows]), progress=progress)
    pairs[["first", "second"]] = rows[pairs[["first", "second"]].to_numpy()]

    def judge(pair: tuple[int, int, int]) -> float:
        first, second, orientation = pair
        return likeness(thumbnails[first], np.ascontiguousarray(oriented(thumbnails[second], orientation)))

    listed = pairs[["first", "second", "orientation"]].itertuples(index=False, name=None)
    with ThreadPoolExecutor(usable_cores()) as pool:
        pairs["likeness"] = np.array(list(pool.map(judge, listed)), float)
    return pairs[pairs["likeness"] >= SAME_DETAIL].reset_index(drop=True)


def components(count: int, first: npt.ArrayLike, second: npt.ArrayLike) -> npt.NDArray[np.int32]:
    """Return for each of `count` things the number of its connected component, given the connected pairs.

    >>> components(5, [0, 3], [3, 4]).tolist()
    [0, 1, 2, 0, 0]
    """
    ends = np.asarray(first, np.int64), np.asarray(second, np.int64)
    graph = coo_array((np.ones(len(ends[0]), np.int8), ends), shape=(count, count))
    return np.asarray(connected_components(graph, directed=False)[1], np.int32)
