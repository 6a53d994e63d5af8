"""The rows of a phantom manifest before any image is drawn: whose, of what, from where, and off the surface or not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from nmevision.phantom.views import NORMAL

IMAGES_PER_PATIENT = 2


@dataclass(frozen=True)
class Row:
    """One line of the manifest; the fields are its columns, in order."""

    id: str
    path: str
    modality: str
    diagnosis: str
    patient_id: str
    source: str
    licence: str
    split: str
    mpp: str
    phantom: str


def manifest_rows(
    modality: str, n: int, laboratories: int, diagnoses: Sequence[str], mpp: float
) -> Iterator[Row]:
    """Yield the manifest's rows: diagnoses and laboratories in a Latin square over the patients."""
    letter, place = ("h", "laboratory") if modality == "histology" else ("c", "camera")
    digits = max(4, len(str(n)))
    for index in range(n):
        patient = index // IMAGES_PER_PATIENT
        block, turn = divmod(patient, len(diagnoses))
        laboratory = (turn + block) % laboratories + 1
        identity = f"phantom-{letter}-{index + 1:0{digits}d}"
        yield Row(
            id=identity,
            path=f"images/{identity}.jpg",
            modality=modality,
            diagnosis=diagnoses[turn],
            patient_id=f"phantom-{letter}-patient-{patient + 1:0{digits}d}",
            source=f"phantom-{place}-{laboratory}",
            licence="CC0-1.0",
            split="test" if laboratory == laboratories else "",
            mpp=str(float(mpp)) if modality == "histology" else "",
            phantom="true",
        )


def share_off_surface(diagnosis: str, index: int, share: float) -> float:
    """Return the chance that a field is off the surface: none of a patient's first, twice as great in normal skin.

    So every patient has a field that shows the diagnosis, and about `share` of all fields are off the surface.
    """
    if index % IMAGES_PER_PATIENT == 0:
        return 0.0
    return min(1.0, share * IMAGES_PER_PATIENT * (2 if diagnosis == NORMAL else 1))
