"""Where the tissue of a slide is, and which squares of it to look at first: those of its surface.

An inflammatory diagnosis sits in the outer half millimetre, so that the epidermis comes first and the deep dermis
last. Lengths are in micrometres; where a slide's scale is unknown, a tile counts as the width it stands for.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]
Map = npt.NDArray[np.float32]

BAND_UM = 500.0
"""How deep below a free surface the epidermis and what lies under it are looked for."""
OUTSIDE_UM = 60.0
"""How far outside the surface belongs to the band: loose horn, and the edge itself."""
GREYEST = 0.25
"""Colour through density below which something is grey: black pen, shadows, dust; haematoxylin has 0.75, eosin more."""
LEAST_GREY = 0.65
"""Weakest through strongest channel of glass under the bluest or yellowest lamp; pink tissue has 0.5 to 0.6."""
LEAST_TISSUE_UM = 120.0
"""Side of a square as large as the smallest piece of tissue that counts; smaller ones are dust, floating horn."""
LEAST_COLOUR, MOST_COLOUR = 0.025, 0.10
"""Bounds of the colour (range of the three optical densities, base 10) from which a pixel is tissue: pale fat has
0.03 to 0.05, glass below 0.015."""
LEAST_SHARE = 0.06
"""Share of a tile that must be tissue."""
TISSUE_SHARE = 0.35
"""Share of a tile that must be new tissue in the second round."""
SURFACE_SHARE = 0.12
"""Share of the greatest possible weight of new surface that makes a tile of the first round."""
CELLS = 8
"""Steps of the search along a tile's side."""

_PALE = 0.2  # of Otsu's threshold: half of it is where pink ends, and fat has a third of that
_CLOSE_UM, _HOLE_UM, _PEN_UM = 40.0, 300.0, 60.0
_HAEMATOXYLIN = np.array([0.65, 0.70, 0.29], np.float32)
_EOSIN = np.array([0.07, 0.99, 0.11], np.float32)
_OTHER = np.array([0.27, 0.57, 0.78], np.float32)
"""Optical densities of the stains (Ruifrok & Johnston 2001; the values of its authors' plug-in)."""


@dataclass(frozen=True)
class Tile:
    """A square of a slide: corner and side in level-0 pixels.

    tissue: share of it that is tissue. surface: how much of a free surface it shows, 0 to 1. first: of the first
    round, chosen for its surface.
    """

    x: int
    y: int
    side: int
    tissue: float
    surface: float
    first: bool


def densities(pixels: Pixels) -> Map:
    """Return optical densities (base 10), float32, of RGB over the slide's own glass.

    The glass is the brightest common colour (the 99th percentile of each channel); where that is coloured itself, the
    field is full of tissue and its glass is taken for as bright as its brightest channel.
    """
    some = pixels.reshape(-1, 3)[::7]
    counts = np.stack([np.bincount(some[:, i], minlength=256) for i in range(3)])
    glass = np.maximum(np.argmax(counts.cumsum(axis=1) >= 0.99 * len(some), axis=1), 128)
    if glass.min() < LEAST_GREY * glass.max():
        glass[:] = glass.max()
    levels = np.clip(np.arange(256)[:, None], 1, glass)
    table = np.log10(glass / levels).astype(np.float32)
    return np.asarray(cv2.LUT(pixels, table[None]), np.float32)


def pen(density: Map) -> Mask:
    """Return where a felt pen's ink is, by optical densities that were blurred over a few micrometres.

    Stained tissue holds green light back most, then red (haematoxylin) and hardly any blue (eosin: none). Green ink
    holds back red most, blue ink red and green alike and hardly any blue, red ink green and blue. Black has no colour and is no
    tissue anyway.
    """
    red, green, blue = (density[..., i] for i in range(3))
    green_ink = (red > 1.3 * green + 0.05) & (red > 0.15)
    blue_ink = (red > green) & (red > 2.2 * blue) & (red > 0.4)
    red_ink = (blue > 0.68 * green) & (green > 0.45) & (red < 0.4 * green)
    return np.asarray(green_ink | blue_ink | red_ink)


def tissue_mask(pixels: Pixels, um: float) -> Mask:
    """Return where an overview (RGB) shows tissue; um: micrometres per pixel of it.

    By colour, so that black pen, the grey edge of the glass and dust are none; coloured pen and its surroundings
    are taken out, holes of fat and vessels are filled.
    """
    density = densities(np.asarray(cv2.GaussianBlur(pixels, (0, 0), max(0.6, 6.0 / um)), np.uint8))
    ink = cv2.morphologyEx(pen(density).astype(np.uint8), cv2.MORPH_OPEN, _disc(2.5))
    colour = density.max(axis=2) - density.min(axis=2)
    stained = colour > GREYEST * density.mean(axis=2)
    mask = (stained & (colour > _threshold(colour[ink == 0]))).astype(np.uint8)
    if ink.any():
        mask[cv2.dilate(ink, _disc(_PEN_UM / um)) > 0] = 0
    mask = _padded_close(mask, _CLOSE_UM / um)
    opened = cv2.morphologyEx(mask, cv2.MORPH_OPEN, _disc(0.3 * _CLOSE_UM / um))
    kept = _large(np.asarray(opened, np.uint8), (LEAST_TISSUE_UM / um) ** 2)
    return np.asarray(_without_holes(kept, (_HOLE_UM / um) ** 2))


def _threshold(colour: Map) -> float:
    """Return the colour from which a pixel is tissue: Otsu's division within sane bounds."""
    if not colour.size:
        return MOST_COLOUR
    counts, edges = np.histogram(colour, 256, (0, 0.5))
    below = np.cumsum(counts)
    middle = (edges[:-1] + edges[1:]) / 2
    sums = np.cumsum(counts * middle)
    with np.errstate(divide="ignore", invalid="ignore"):
        between = (sums[-1] * below / below[-1] - sums) ** 2 / (below * (below[-1] - below))
    best = float(middle[int(np.nanargmax(between))]) if np.isfinite(between).any() else MOST_COLOUR
    return float(np.clip(_PALE * best, LEAST_COLOUR, MOST_COLOUR))


def _disc(radius: float) -> Pixels:
    """Return a round kernel of at least 3 x 3 and at most 61 x 61 pixels."""
    side = 2 * int(np.clip(round(radius), 1, 30)) + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)), np.uint8)


def _padded_close(mask: Pixels, radius: float) -> Pixels:
    """Close gaps without growing onto the image's border."""
    kernel = _disc(radius)
    pad = kernel.shape[0]
    wide = cv2.copyMakeBorder(mask, pad, pad, pad, pad, cv2.BORDER_REPLICATE)
    return np.asarray(cv2.morphologyEx(wide, cv2.MORPH_CLOSE, kernel)[pad:-pad, pad:-pad], np.uint8)


def _large(mask: Pixels, least: float) -> Pixels:
    """Return the pieces of at least `least` pixels; the largest alone where none is."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    if count < 2:
        return mask
    sizes = stats[:, cv2.CC_STAT_AREA].copy()
    sizes[0] = 0
    kept = sizes >= min(least, sizes.max())
    kept[0] = False
    return np.asarray(kept[labels], np.uint8)


def _without_holes(mask: Pixels, most: float) -> Mask:
    """Fill holes of at most `most` pixels; what reaches the image's border is no hole."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(1 - mask, connectivity=4)
    height, width = mask.shape
    for i in range(1, count):
        x, y, w, h, area = stats[i]
        if area <= most and x > 0 and y > 0 and x + w < width and y + h < height:
            mask[labels == i] = 1
    return mask > 0


def surface_weight(pixels: Pixels, mask: Mask, um: float) -> Map:
    """Return how much each pixel matters: most at a free surface, nothing BAND_UM below it.

    A surface that is rich in haematoxylin (an epidermis) counts up to four times one that is not (a cut margin).
    Where tissue reaches the overview's border there is no surface.
    """
    if mask.all() or not mask.any():
        return np.zeros(mask.shape, np.float32)
    inside = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 5) * um
    outside = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 5) * um
    weight = np.where(mask, np.clip(1 - inside / BAND_UM, 0, 1), outside <= OUTSIDE_UM).astype(np.float32)
    unmix = np.linalg.inv(np.stack([_HAEMATOXYLIN, _EOSIN, _OTHER]))
    blue = np.clip(densities(pixels) @ unmix[:, 0].astype(np.float32), 0, None) * mask
    sigma = 100 / um
    near = cv2.GaussianBlur(blue, (0, 0), sigma) / np.maximum(
        cv2.GaussianBlur(mask.astype(np.float32), (0, 0), sigma), 0.05
    )
    typical = float(np.percentile(near[mask], 95))
    return np.asarray(weight * (0.25 + 0.75 * np.clip(near / max(typical, 1e-3), 0, 1) ** 2), np.float32)


def choose_tiles(
    overview: Pixels, size: tuple[int, int], side: int, um: float, most: int
) -> tuple[list[Tile], Mask]:
    """Return at most `most` tiles (at least one) in the order of their worth, and the tissue mask.

    Args:
        overview: the whole slide small.
        size: width and height of the slide in level-0 pixels. side: of a tile, the same.
        um: micrometres that one overview pixel stands for.
        most: tiles, at least 1.
    """
    mask = tissue_mask(overview, um)
    grid = _Grid(size, side)
    tissue = grid.shrunk(mask.astype(np.float32))
    surface = grid.shrunk(surface_weight(overview, mask, um))
    ideal = _ideal_surface(side * um * overview.shape[1] / size[0])
    tiles: list[Tile] = []
    taken: list[tuple[int, int]] = []
    for first, values, least in (
        (True, surface.copy(), SURFACE_SHARE * ideal),
        (False, tissue.copy(), TISSUE_SHARE),
    ):
        for row, column in taken:
            grid.take(values, row, column)
        while len(tiles) < most:
            found = grid.best(values)
            if found is None or found[2] < least:
                break
            row, column, _ = found
            grid.take(values, row, column)
            taken.append((row, column))
            share = grid.share(tissue, row, column)
            if share >= LEAST_SHARE:
                shown = min(1.0, grid.share(surface, row, column) / ideal)
                tiles.append(grid.tile(row, column, share, shown, first))
    if not tiles:
        tiles = [_somewhere(overview, grid, tissue)]
    return tiles, mask


def _ideal_surface(side_um: float) -> float:
    """Return the mean weight in a tile whose upper edge lies OUTSIDE_UM above an even epidermis."""
    depth = np.linspace(-OUTSIDE_UM, side_um - OUTSIDE_UM, 64)
    return float(np.clip(1 - depth.clip(0) / BAND_UM, 0, 1).mean())


def _somewhere(overview: Pixels, grid: _Grid, tissue: Map) -> Tile:
    """Return the one tile of a slide without (enough) tissue: where there is most of it, or most to see."""
    values = tissue
    if not tissue.any():
        grey = cv2.cvtColor(overview, cv2.COLOR_RGB2GRAY).astype(np.float32)
        values = grid.shrunk(np.abs(grey - cv2.GaussianBlur(grey, (0, 0), 3)))
    row, column, _ = grid.best(values, even_nothing=True) or (0, 0, 0.0)
    return grid.tile(row, column, grid.share(tissue, row, column), 0.0, False)


class _Grid:
    """The lattice of places where a tile may lie, CELLS steps per tile; a slide smaller than a tile has one."""

    def __init__(self, size: tuple[int, int], side: int) -> None:
        self.size, self.side, self.step = size, side, side / CELLS
        self.columns, self.rows = (max(CELLS, int(np.ceil(length / self.step))) for length in size)

    def shrunk(self, values: Map) -> Map:
        """Return a map of the whole slide averaged into cells; what lies beyond the slide is 0."""
        columns, rows = (max(1, int(np.ceil(length / self.step))) for length in self.size)
        small = cv2.resize(values, (columns, rows), interpolation=cv2.INTER_AREA)
        out = np.zeros((self.rows, self.columns), np.float32)
        top, left = (self.rows - rows) // 2, (self.columns - columns) // 2
        out[top : top + rows, left : left + columns] = small
        return out

    def best(self, values: Map, even_nothing: bool = False) -> tuple[int, int, float] | None:
        """Return row, column and mean of the window with the greatest mean."""
        sums = cv2.integral(values)
        windows = (
            sums[CELLS:, CELLS:] - sums[:-CELLS, CELLS:] - sums[CELLS:, :-CELLS] + sums[:-CELLS, :-CELLS]
        )
        row, column = np.unravel_index(int(windows.argmax()), windows.shape)
        mean = float(windows[row, column]) / CELLS**2
        return (int(row), int(column), mean) if mean > 1e-6 or even_nothing else None

    def share(self, values: Map, row: int, column: int) -> float:
        """Return the mean of a window."""
        return float(values[row : row + CELLS, column : column + CELLS].mean())

    def tile(self, row: int, column: int, tissue: float, surface: float, first: bool) -> Tile:
        """Return the tile of a window, moved inside the slide; a slide smaller than it lies in its middle."""
        corner = []
        for place, length in ((column, self.size[0]), (row, self.size[1])):
            inside = min(round(place * self.step), length - self.side)
            corner.append((length - self.side) // 2 if length < self.side else max(0, inside))
        return Tile(corner[0], corner[1], self.side, round(tissue, 3), round(surface, 3), first)

    def take(self, values: Map, row: int, column: int) -> None:
        """Set a window to 0."""
        values[row : row + CELLS, column : column + CELLS] = 0
