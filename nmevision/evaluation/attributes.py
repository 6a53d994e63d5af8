"""Who the patients are: sex, age, skin tone, site and source, one text per scored patient."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nmevision.evaluation.subgroups import UNKNOWN
from nmevision.evaluation.truth import UNKNOWN_SOURCE, Cases
from nmevision.manifest import Manifest

COLUMNS = ("sex", "age", "skin_tone", "fitzpatrick", "site")
"""Columns of a manifest, in any case, that a subgroup table is made of."""
AGES = (18, 40, 60, 75)
"""Where one age group ends and the next begins, in years."""
_TONES = {"1": "I-II", "2": "I-II", "3": "III-IV", "4": "III-IV", "5": "V-VI", "6": "V-VI"}
_ROMAN = {"i": "1", "ii": "2", "iii": "3", "iv": "4", "v": "5", "vi": "6"}
_SEXES = {"f": "female", "woman": "female", "m": "male", "man": "male"}
_NOT_KNOWN = {"", "unknown", "na", "n/a", "nan", "none", "-1"}


def age_group(text: str) -> str:
    """Return the age group of a number of years, UNKNOWN where it is none.

    >>> age_group("17"), age_group("63.5"), age_group("75"), age_group("old")
    ('0-17', '60-74', '75+', '')
    """
    try:
        years = float(text)
    except ValueError:
        return UNKNOWN
    if not math.isfinite(years) or years < 0:
        return UNKNOWN
    if years < AGES[0]:
        return f"0-{AGES[0] - 1}"
    for low, high in pairwise(AGES):
        if years < high:
            return f"{low}-{high - 1}"
    return f"{AGES[-1]}+"


def group_of(column: str, text: str) -> str:
    """Return the group that a manifest's cell names, UNKNOWN where it names none.

    >>> group_of("fitzpatrick", "2"), group_of("skin_tone", "FST V"), group_of("sex", "F")
    ('I-II', 'V-VI', 'female')
    """
    plain = " ".join(text.split()).casefold()
    if plain in _NOT_KNOWN:
        return UNKNOWN
    if column == "age":
        return age_group(plain)
    if column == "sex":
        return _SEXES.get(plain, plain)
    if column in ("fitzpatrick", "skin_tone"):
        tone = plain.removeprefix("fitzpatrick").removeprefix("fst").removeprefix("type").strip()
        tone = tone.removesuffix(".0")
        return _TONES.get(_ROMAN.get(tone, tone), plain)
    return plain


def attributes_of(cases: Cases, manifest: Manifest) -> dict[str, NDArray[np.object_]]:
    """Return attribute -> the group of every scored patient, for attributes with at least one known group.

    A patient whose images name different groups is UNKNOWN (of several sites there is no one answer);
    patients are found by the manifest's own patient_id. Sources are compared where there are several.
    """
    names = {str(column).casefold(): str(column) for column in manifest.frame}
    found = {}
    for column in COLUMNS:
        if column not in names:
            continue
        groups = manifest.frame[names[column]].map(lambda text, column=column: group_of(column, str(text)))
        of_patient = _agreed(groups[groups != UNKNOWN], manifest.cases)
        own = np.array([of_patient.get(name, UNKNOWN) for name in cases.names], dtype=object)
        if (own != UNKNOWN).any():
            found[column] = own
    sources = np.where(cases.sources == UNKNOWN_SOURCE, UNKNOWN, cases.sources).astype(object)
    if len(set(sources) - {UNKNOWN}) > 1:
        found["source"] = sources
    return found


def _agreed(groups: pd.Series, patients: pd.Series) -> dict[str, str]:
    """Return the group of every patient whose rows agree."""
    by_patient = groups.groupby(patients.loc[groups.index])
    kinds = by_patient.nunique()
    agreed = by_patient.first()[kinds == 1]
    return dict(zip(agreed.index, agreed, strict=True))
