"""Chance that is tied to a place: the same skin wherever and in whatever tiles it is looked at."""

from __future__ import annotations

import zlib
from functools import cache

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from nmevision.phantom.noise import Map

Values = NDArray[np.float64]

_NODES = 1024
_SIGMA = 2.0  # nodes: what the stored noise is blurred by, fine enough for linear interpolation
_NOISE_SEED = 1_071


@cache
def _noise() -> Map:
    """Return smooth noise that repeats every 1024 nodes, with mean 0 and standard deviation 1."""
    white = np.random.default_rng(_NOISE_SEED).standard_normal((_NODES, _NODES), dtype=np.float32)
    wrapped = np.pad(white, 8, mode="wrap")
    blurred = cv2.GaussianBlur(wrapped, (0, 0), _SIGMA)[8:-8, 8:-8]
    return np.ascontiguousarray((blurred - blurred.mean()) / blurred.std(), np.float32)


class Chance:
    """Random values by name and place, the same for a seed whichever of them are asked for, and when.

    >>> chance = Chance(7)
    >>> bool(chance.uniform("length", [3])[0] == chance.uniform("length", [1, 2, 3])[2])
    True
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def uniform(self, name: str, i: ArrayLike, j: ArrayLike = 0) -> Values:
        """Return a number from 0 to 1 for every pair of integers i, j."""
        key = zlib.crc32(f"{self.seed} {name}".encode())
        first = np.asarray(i, np.int64).astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        second = np.asarray(j, np.int64).astype(np.uint64) * np.uint64(0xC2B2AE3D27D4EB4F)
        mixed = np.atleast_1d(first + second + np.uint64(key * 0x2545F4914F6CDD1D % 2**64))
        # The finaliser of SplitMix64 (Steele, Lea and Flood 2014, doi:10.1145/2714064.2660195).
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return np.asarray((mixed ^ (mixed >> np.uint64(31))) >> np.uint64(11)) * 2.0**-53

    def normal(self, name: str, i: ArrayLike, j: ArrayLike = 0) -> Values:
        """Return a normally distributed number for every pair of integers, by Box and Muller."""
        radius = np.sqrt(-2 * np.log1p(-self.uniform(f"{name} radius", i, j)))
        return np.asarray(radius * np.cos(2 * np.pi * self.uniform(f"{name} turn", i, j)))

    def texture(self, name: str, x: Map, y: Map, grain: float, grain_y: float | None = None) -> Map:
        """Return smooth noise (mean 0, standard deviation 1) at the places x, y in micrometres (maps or lists).

        grain, grain_y: standard deviation of the blur along x and y, micrometres.
        """
        if not x.size:
            return np.zeros(x.shape, np.float32)
        if x.ndim == 1:  # OpenCV takes no list of places that is longer than 32,767
            folded = [np.resize(places, (-(-len(places) // 256), 256)) for places in (x, y)]
            return self.texture(name, folded[0], folded[1], grain, grain_y).ravel()[: len(x)]
        offset = _NODES * self.uniform(name, [0, 1])
        x_nodes = (np.float32(_SIGMA / grain) * x + np.float32(offset[0])).astype(np.float32)
        y_nodes = (np.float32(_SIGMA / (grain_y or grain)) * y + np.float32(offset[1])).astype(np.float32)
        found = cv2.remap(_noise(), x_nodes, y_nodes, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
        return np.asarray(found, np.float32)

    def curve(self, name: str, u: Values, grain: float) -> Values:
        """Return smooth noise along a line: like `texture` for a list of places in micrometres."""
        row, start = (_NODES * self.uniform(name, [0, 1])).astype(int)
        line = _noise()[row]
        nodes = (u * (_SIGMA / grain) + start) % _NODES
        return np.interp(nodes, np.arange(_NODES + 1), np.append(line, line[0]))
