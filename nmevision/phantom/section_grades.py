"""Measures the grades of a synthetic H&E field again, from its label map, masks and nuclei alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from nmevision.phantom.section_scales import SCALES
from nmevision.phantom.section_truth import SectionTruth, label_mask
from nmevision.phantom.window import Mask, at

BIN = 4.0
"""Width of the columns that the surface is cut into, micrometres."""
LEAST_LENGTH, LEAST_CELLS, LEAST_BASAL, LEAST_PAPILLARY, LEAST_DERMIS, LEAST_HORN = 60, 40, 12, 1500, 5000, 4
"""Less surface (um), cells, basal cells, papillary or upper dermis (um2) or horn (um thick) than this, and
what is measured against it cannot be assessed."""
LIVING_KINDS = ("basal", "keratinocyte", "dyskeratotic", "acantholytic")


def measured_grades(truth: SectionTruth) -> dict[str, int | None]:
    """Return the grade 0 to 3 of every finding, None where the field does not show what it takes."""
    frame = _frame(truth)
    return {finding: _grade(finding, frame) for finding in SCALES}


def measure(finding: str, truth: SectionTruth) -> int | None:
    """Return the grade 0 to 3 of one finding of `SCALES`, None where the field does not show what it takes."""
    return _grade(finding, _frame(truth))


def quantity(finding: str, truth: SectionTruth) -> float | None:
    """Return the quantity behind a finding's grade, in the unit of its scale."""
    return _MEASURES[finding](_frame(truth))


def _grade(finding: str, frame: _Frame) -> int | None:
    value = _MEASURES[finding](frame)
    return None if value is None else SCALES[finding].grade(value)


@dataclass(frozen=True)
class _Frame:
    """A field cut into columns across the skin.

    bins: column of each pixel. surface: columns with living epidermis under horn or a cleft.
    open: those among them that reach the glass above. whole: those that show all of the epidermis.
    """

    truth: SectionTruth
    bins: NDArray[np.int64]
    surface: Mask
    open: Mask
    whole: Mask

    def count(self, mask: Mask) -> NDArray[np.int64]:
        """Return how many pixels of a mask each column holds."""
        return np.bincount(self.bins[mask], minlength=len(self.surface))

    def area(self, mask: Mask) -> float:
        """Return the area of a mask in square micrometres."""
        return float(np.count_nonzero(mask)) * self.truth.mpp**2

    def layer(self, name: str) -> Mask:
        """Return the mask of a layer."""
        return self.truth.masks[f"layer_{name}"]

    def length(self) -> float:
        """Return the length of the surface, micrometres."""
        return float(self.surface.sum()) * BIN

    def covered(self, mask: Mask, among: Mask | None = None) -> float | None:
        """Return the share of the surface's columns that hold some of a mask."""
        columns = self.surface if among is None else self.surface & among
        if columns.sum() * BIN < LEAST_LENGTH:
            return None
        return float((self.count(mask) > 0)[columns].mean())


def _frame(truth: SectionTruth) -> _Frame:
    """Return the columns of a field; they run along the main direction of the epidermis's upper face."""
    epidermis = truth.masks["layer_epidermis"]
    above = label_mask(truth, "horn", "cleft", "pustule", "background")
    above &= ~truth.masks["full_thickness_necrosis_subepidermal_split"]
    face = epidermis & (cv2.dilate(above.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0)
    rows, columns = np.nonzero(face)
    if len(rows) < 8:
        none = np.zeros(1, bool)
        return _Frame(truth, np.zeros(truth.label.shape, np.int64), none, none, none)
    places = np.stack([columns, rows], -1) - np.array([columns.mean(), rows.mean()])
    direction = np.linalg.eigh(places.T @ places)[1][:, 1]
    y, x = np.mgrid[: truth.label.shape[0], : truth.label.shape[1]]
    along = (x * direction[0] + y * direction[1]) * (truth.mpp / BIN)
    bins = np.floor(along - along.min()).astype(np.int64)
    size = int(bins.max()) + 1
    dermis = label_mask(truth, "dermis", "vessel", "infiltrate")

    def holds(mask: Mask) -> Mask:
        return np.bincount(bins[mask], minlength=size) > 0

    surface = holds(face) & holds(above)
    opened = surface & holds(label_mask(truth, "background"))
    border = np.ones_like(epidermis)
    border[1:-1, 1:-1] = False  # epidermis that the picture cuts off cannot be measured
    return _Frame(truth, bins, surface, opened, surface & holds(dermis) & ~holds(epidermis & border))


def _share_of(frame: _Frame, mask: Mask, among: Mask, least: float = 2000) -> float | None:
    """Return the share of an area that a mask covers."""
    room = frame.area(among)
    return None if room < least else frame.area(mask & among) / room


def _upper(frame: _Frame) -> Mask:
    """Return the upper half of the epidermis without granular and wholly dead parts."""
    masks = frame.truth.masks
    dead = masks["full_thickness_necrosis_subepidermal_split"]
    return frame.layer("upper_epidermis") & ~label_mask(frame.truth, "granular") & ~dead


def _pallor(frame: _Frame) -> float | None:
    masks = frame.truth.masks
    among = _upper(frame) & ~masks["upper_epidermal_necrosis"]
    return _share_of(frame, masks["upper_epidermal_pallor"], among)


def _necrosis(frame: _Frame) -> float | None:
    return _share_of(frame, frame.truth.masks["upper_epidermal_necrosis"], _upper(frame))


def _of_cells(
    finding: str, kinds: tuple[str, ...], layer: str, least: int
) -> Callable[[_Frame], float | None]:
    """Return a measure: the share of the nuclei of some kinds in a layer that lie in a finding's mask."""

    def share(frame: _Frame) -> float | None:
        cells = frame.truth.cells
        points = [cells[kind] for kind in kinds if kind in cells]
        points = [p[at(frame.layer(layer), p)] for p in points]
        number = sum(map(len, points))
        hits = sum(float(at(frame.truth.masks[finding], p).sum()) for p in points)
        return None if number < least else hits / number

    return share


def _of_kind(kind: str) -> Callable[[_Frame], float | None]:
    """Return a measure: the share of the nuclei of the epidermis that are of one kind."""

    def share(frame: _Frame) -> float | None:
        numbers = {k: len(frame.truth.cells.get(k, ())) for k in LIVING_KINDS}
        total = sum(numbers.values())
        return None if total < LEAST_CELLS else numbers[kind] / total

    return share


def _per_length(kind: str) -> Callable[[_Frame], float | None]:
    """Return a measure: how many cells of a kind there are per millimetre of horn."""

    def density(frame: _Frame) -> float | None:
        length = frame.length()
        if length < LEAST_LENGTH or _horn(frame) < LEAST_HORN:
            return None
        return 1000 * len(frame.truth.cells.get(kind, ())) / length

    return density


def _per_area(kind: str) -> Callable[[_Frame], float | None]:
    """Return a measure: how many cells of a kind there are per square millimetre of the upper dermis."""

    def density(frame: _Frame) -> float | None:
        room = frame.area(frame.layer("upper_dermis"))
        return None if room < LEAST_DERMIS else 1e6 * len(frame.truth.cells.get(kind, ())) / room

    return density


def _of_papillae(finding: str) -> Callable[[_Frame], float | None]:
    """Return a measure: the share of the papillary dermis in a finding's mask."""
    return lambda frame: _share_of(
        frame, frame.truth.masks[finding], frame.layer("papillary_dermis"), LEAST_PAPILLARY
    )


def _horn(frame: _Frame) -> float:
    """Return the mean thickness of the horn, micrometres."""
    return frame.area(label_mask(frame.truth, "horn")) / max(frame.length(), 1)


def _parakeratosis(frame: _Frame) -> float | None:
    horn = frame.count(label_mask(frame.truth, "horn")) > 0
    return frame.covered(frame.truth.masks["parakeratosis"], horn) if _horn(frame) >= LEAST_HORN else None


def _hyperkeratosis(frame: _Frame) -> float | None:
    masks = frame.truth.masks
    columns = frame.open & (frame.count(masks["follicular_plug_perifollicular_parakeratosis"]) == 0)
    length = float(columns.sum()) * BIN
    if length < LEAST_LENGTH or _horn(frame) < LEAST_HORN:
        return None
    return float(frame.count(masks["hyperkeratosis_ortho"])[columns].sum()) * frame.truth.mpp**2 / length


def _granular_loss(frame: _Frame) -> float | None:
    found = frame.covered(label_mask(frame.truth, "granular"))
    return None if found is None else 1 - found


def _granular_thickness(frame: _Frame) -> float | None:
    granular = label_mask(frame.truth, "granular")
    columns = (frame.count(granular) > 0) & frame.surface
    if columns.sum() * BIN < LEAST_LENGTH:
        return 0.0 if frame.length() >= LEAST_LENGTH else None  # a lost layer is not a thick one
    return frame.area(granular) / (float(columns.sum()) * BIN)


def _thicknesses(frame: _Frame) -> NDArray[np.float64] | None:
    """Return the thickness of the living epidermis in the columns that show all of it, micrometres."""
    if frame.whole.sum() * BIN < LEAST_LENGTH:
        return None
    pixels = frame.count(frame.layer("epidermis"))[frame.whole]
    return np.asarray(pixels * (frame.truth.mpp**2 / BIN), np.float64)


def _thickness(frame: _Frame) -> float | None:
    columns = _thicknesses(frame)
    return None if columns is None else float(np.mean(columns))


def _plate(frame: _Frame) -> float | None:
    columns = _thicknesses(frame)
    if columns is None or SCALES["epidermal_atrophy"].grade(float(np.mean(columns))):
        return None  # where all of it is thin there are no papillae to judge
    return float(np.quantile(columns, 0.10))


def _split(frame: _Frame) -> float | None:
    return frame.covered(frame.truth.masks["full_thickness_necrosis_subepidermal_split"])


def _band(frame: _Frame) -> float | None:
    return frame.covered(frame.truth.masks["band_like_infiltrate"], frame.whole)


def _cleft(frame: _Frame) -> float | None:
    return frame.covered(frame.truth.masks["cleft_or_vesicle_upper"])


def _plug(frame: _Frame) -> float | None:
    plug = frame.truth.masks["follicular_plug_perifollicular_parakeratosis"]
    return float((frame.count(plug) > 0).sum()) * BIN if plug.any() else None


def _mucin(frame: _Frame) -> float | None:
    deep = frame.layer("upper_dermis") & ~frame.layer("papillary_dermis")
    return _share_of(frame, frame.truth.masks["dermal_mucin"], deep, LEAST_DERMIS)


def _spongiosis(frame: _Frame) -> float | None:
    return _share_of(frame, frame.truth.masks["spongiosis"], frame.layer("epidermis"))


_ABOVE = LIVING_KINDS[1:]
_MEASURES: dict[str, Callable[[_Frame], float | None]] = {
    "upper_epidermal_pallor": _pallor,
    "upper_epidermal_necrosis": _necrosis,
    "vacuolated_ballooned_keratinocytes": _of_cells(
        "vacuolated_ballooned_keratinocytes", LIVING_KINDS, "upper_epidermis", LEAST_BASAL
    ),
    "intracellular_oedema": _of_cells("intracellular_oedema", _ABOVE, "epidermis", LEAST_CELLS),
    "granular_layer_loss": _granular_loss,
    "parakeratosis": _parakeratosis,
    "hyperkeratosis_ortho": _hyperkeratosis,
    "psoriasiform_acanthosis": _thickness,
    "spongiosis": _spongiosis,
    "dyskeratosis_single_cell": _of_kind("dyskeratotic"),
    "cleft_or_vesicle_upper": _cleft,
    "neutrophils_corneum_or_subcorneal_pustule": _per_length("neutrophil"),
    "perivascular_lymphocytes": _per_area("lymphocyte"),
    "interstitial_inflammation": _per_area("interstitial"),
    "papillary_dermal_oedema": _of_papillae("papillary_dermal_oedema"),
    "vessel_dilatation_papillary": _of_papillae("vessel_dilatation_papillary"),
    "vacuolar_interface_basal": _of_cells("vacuolar_interface_basal", ("basal",), "epidermis", LEAST_BASAL),
    "full_thickness_necrosis_subepidermal_split": _split,
    "acantholysis": _of_kind("acantholytic"),
    "hypergranulosis": _granular_thickness,
    "suprapapillary_thinning": _plate,
    "fungal_elements_corneum": _per_length("hypha"),
    "band_like_infiltrate": _band,
    "follicular_plug_perifollicular_parakeratosis": _plug,
    "eosinophils": _per_area("eosinophil"),
    "papillary_dermal_fibrosis": _of_papillae("papillary_dermal_fibrosis"),
    "epidermal_atrophy": _thickness,
    "pigment_basal_or_incontinence": _of_cells(
        "pigment_basal_or_incontinence", ("basal",), "epidermis", LEAST_BASAL
    ),
    "dermal_mucin": _mucin,
}
