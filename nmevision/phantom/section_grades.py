"""Measures the grades of a synthetic H&E field again, from its label map, masks and nuclei alone.

A finding whose structures (`needs` in the knowledge) are not in the field has no grade. Where they are, it has
one, but for what the disease itself leaves nothing of to judge: papillae under an epidermis that is thin
throughout, cells of an epidermis that is dead throughout.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from nmevision.phantom.section_fields import LEAST_LENGTH, LIVING_KINDS, PLUG, assessable, marks_of
from nmevision.phantom.section_frame import BIN, Frame, frame_of
from nmevision.phantom.section_scales import SCALES
from nmevision.phantom.section_truth import SectionTruth, label_mask
from nmevision.phantom.window import Mask, at


def measured_grades(truth: SectionTruth) -> dict[str, int | None]:
    """Return the grade 0 to 3 of every finding, None where the field does not show what it takes."""
    frame = frame_of(truth)
    return grades_of(frame, marks_of(frame))


def grades_of(frame: Frame, marks: Mapping[str, bool]) -> dict[str, int | None]:
    """Return what `measured_grades` does, of a field whose columns and field marks are known already."""
    return {finding: _grade(finding, frame, marks) for finding in SCALES}


def measure(finding: str, truth: SectionTruth) -> int | None:
    """Return the grade 0 to 3 of one finding of `SCALES`, None where the field does not show what it takes."""
    frame = frame_of(truth)
    return _grade(finding, frame, marks_of(frame))


def quantity(finding: str, truth: SectionTruth) -> float | None:
    """Return the quantity behind a finding's grade, in the unit of its scale; None of nothing to measure it on."""
    return _MEASURES[finding](frame_of(truth))


def _grade(finding: str, frame: Frame, marks: Mapping[str, bool]) -> int | None:
    value = _MEASURES[finding](frame) if assessable(finding, marks) else None
    return None if value is None else SCALES[finding].grade(value)


def _share_of(frame: Frame, mask: Mask, among: Mask) -> float | None:
    """Return the share of an area that a mask covers."""
    room = frame.area(among)
    return frame.area(mask & among) / room if room else None


def _upper(frame: Frame) -> Mask:
    """Return the upper half of the epidermis without granular and wholly dead parts."""
    masks = frame.truth.masks
    dead = masks["full_thickness_necrosis_subepidermal_split"]
    return frame.layer("upper_epidermis") & ~label_mask(frame.truth, "granular") & ~dead


def _pallor(frame: Frame) -> float | None:
    masks = frame.truth.masks
    among = _upper(frame) & ~masks["upper_epidermal_necrosis"]
    return _share_of(frame, masks["upper_epidermal_pallor"], among)


def _necrosis(frame: Frame) -> float | None:
    return _share_of(frame, frame.truth.masks["upper_epidermal_necrosis"], _upper(frame))


def _of_cells(finding: str, kinds: tuple[str, ...], layer: str) -> Callable[[Frame], float | None]:
    """Return a measure: the share of the nuclei of some kinds in a layer that lie in a finding's mask."""

    def share(frame: Frame) -> float | None:
        cells = frame.truth.cells
        points = [cells[kind] for kind in kinds if kind in cells]
        points = [p[at(frame.layer(layer), p)] for p in points]
        number = sum(map(len, points))
        hits = sum(float(at(frame.truth.masks[finding], p).sum()) for p in points)
        return hits / number if number else None

    return share


def _of_kind(kind: str) -> Callable[[Frame], float | None]:
    """Return a measure: the share of the nuclei of the epidermis that are of one kind."""

    def share(frame: Frame) -> float | None:
        numbers = {k: len(frame.truth.cells.get(k, ())) for k in LIVING_KINDS}
        total = sum(numbers.values())
        return numbers[kind] / total if total else None

    return share


def _per_length(kind: str) -> Callable[[Frame], float | None]:
    """Return a measure: how many cells of a kind there are per millimetre of horn."""

    def density(frame: Frame) -> float | None:
        length = frame.length()
        return 1000 * len(frame.truth.cells.get(kind, ())) / length if length else None

    return density


def _per_area(kind: str) -> Callable[[Frame], float | None]:
    """Return a measure: how many cells of a kind there are per square millimetre of the upper dermis."""

    def density(frame: Frame) -> float | None:
        room = frame.area(frame.layer("upper_dermis"))
        return 1e6 * len(frame.truth.cells.get(kind, ())) / room if room else None

    return density


def _of_papillae(finding: str) -> Callable[[Frame], float | None]:
    """Return a measure: the share of the papillary dermis in a finding's mask."""
    return lambda frame: _share_of(frame, frame.truth.masks[finding], frame.layer("papillary_dermis"))


def _parakeratosis(frame: Frame) -> float | None:
    horn = frame.surface & (frame.count(label_mask(frame.truth, "horn")) > 0)
    return frame.covered(frame.truth.masks["parakeratosis"], horn)


def _hyperkeratosis(frame: Frame) -> float | None:
    masks = frame.truth.masks
    columns = frame.open & (frame.count(masks[PLUG]) == 0)
    length = float(columns.sum()) * BIN
    pixels = float(frame.count(masks["hyperkeratosis_ortho"])[columns].sum())
    return pixels * frame.truth.mpp**2 / length if length else None


def _granular_loss(frame: Frame) -> float | None:
    found = frame.covered(label_mask(frame.truth, "granular"), frame.surface)
    return None if found is None else 1 - found


def _granular_thickness(frame: Frame) -> float | None:
    granular = label_mask(frame.truth, "granular")
    columns = (frame.count(granular) > 0) & frame.surface
    if columns.sum() * BIN < LEAST_LENGTH:
        return 0.0  # a lost layer is not a thick one
    return frame.area(granular) / (float(columns.sum()) * BIN)


def _thicknesses(frame: Frame) -> NDArray[np.float64] | None:
    """Return the thickness of the living epidermis in the columns that show all of it, micrometres."""
    if not frame.whole.any():
        return None
    pixels = frame.count(frame.layer("epidermis"))[frame.whole]
    return np.asarray(pixels * (frame.truth.mpp**2 / BIN), np.float64)


def _thickness(frame: Frame) -> float | None:
    columns = _thicknesses(frame)
    return None if columns is None else float(np.mean(columns))


def _plate(frame: Frame) -> float | None:
    columns = _thicknesses(frame)
    if columns is None or SCALES["epidermal_atrophy"].grade(float(np.mean(columns))):
        return None  # where all of it is thin there are no papillae to judge
    return float(np.quantile(columns, 0.10))


def _split(frame: Frame) -> float | None:
    return frame.covered(frame.truth.masks["full_thickness_necrosis_subepidermal_split"], frame.surface)


def _band(frame: Frame) -> float | None:
    return frame.covered(frame.truth.masks["band_like_infiltrate"], frame.joined)


def _cleft(frame: Frame) -> float | None:
    return frame.covered(frame.truth.masks["cleft_or_vesicle_upper"], frame.surface)


def _plug(frame: Frame) -> float | None:
    return float((frame.count(frame.truth.masks[PLUG]) > 0).sum()) * BIN


def _mucin(frame: Frame) -> float | None:
    deep = frame.layer("upper_dermis") & ~frame.layer("papillary_dermis")
    return _share_of(frame, frame.truth.masks["dermal_mucin"], deep)


def _spongiosis(frame: Frame) -> float | None:
    return _share_of(frame, frame.truth.masks["spongiosis"], frame.layer("epidermis"))


_ABOVE = LIVING_KINDS[1:]
_MEASURES: dict[str, Callable[[Frame], float | None]] = {
    "upper_epidermal_pallor": _pallor,
    "upper_epidermal_necrosis": _necrosis,
    "vacuolated_ballooned_keratinocytes": _of_cells(
        "vacuolated_ballooned_keratinocytes", LIVING_KINDS, "upper_epidermis"
    ),
    "intracellular_oedema": _of_cells("intracellular_oedema", _ABOVE, "epidermis"),
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
    "vacuolar_interface_basal": _of_cells("vacuolar_interface_basal", ("basal",), "epidermis"),
    "full_thickness_necrosis_subepidermal_split": _split,
    "acantholysis": _of_kind("acantholytic"),
    "hypergranulosis": _granular_thickness,
    "suprapapillary_thinning": _plate,
    "fungal_elements_corneum": _per_length("hypha"),
    "band_like_infiltrate": _band,
    PLUG: _plug,
    "eosinophils": _per_area("eosinophil"),
    "papillary_dermal_fibrosis": _of_papillae("papillary_dermal_fibrosis"),
    "epidermal_atrophy": _thickness,
    "pigment_basal_or_incontinence": _of_cells("pigment_basal_or_incontinence", ("basal",), "epidermis"),
    "dermal_mucin": _mucin,
}
