"""What can be wrong with a manifest, each found with its row and said in words."""

from __future__ import annotations

import difflib
import math
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from nmevision.errors import Problems, did_you_mean
from nmevision.licences import licence_of
from nmevision.taxonomy import Taxonomy

if TYPE_CHECKING:  # a quarter of a second: loaded where a table is made
    import pandas as pd

Purpose = Literal["train", "evaluate", "predict", "audit"]

COLUMNS = {
    "id": "the sample's name, unique, kept as text; the path where not given",
    "path": "the image file, relative to the manifest's folder or absolute",
    "modality": "clinical (photo) or histology (H&E)",
    "diagnosis": "the label, in any spelling the taxonomy knows; empty = unknown",
    "patient_id": "whose it is; all images of one patient stay in one split",
    "lesion_id": "which lesion of the patient it shows, where a set says so; it stays in one split",
    "source": "where it comes from: hospital, scanner, public set",
    "licence": "such as CC0-1.0, CC-BY-4.0, own; what forbids training is refused",
    "train_allowed": "false keeps the image out of training, whatever its licence says",
    "redistribute_allowed": "false where the image must not be passed on",
    "split": "train, val or test where it is fixed; empty = assigned by the run",
    "mpp": "micrometres per pixel of a histology image",
    "duplicate_group": "images that show the same field; they stay in one split",
    "phantom": "true for a synthetic image; never mixed with real ones in a report",
}
FINDING_PREFIX = "finding_"
"""finding_<key>: its grade, 0 to 3; empty = unknown, or not assessable in this image."""
FIELD_PREFIX = "field_"
"""field_<key>: whether a structure (horn, papillary_dermis ...) is in the image, 1 or 0; empty = unknown."""
SPLITS = ("train", "val", "test")
MPP_RANGE = (0.05, 50.0)
"""Micrometres per pixel: finer than any light microscope resolves, coarser than a slide's thumbnail."""
_MISSPELT = 0.8
"""difflib ratio from which a column is a misspelt one: 'license' and 'spilt' are, 'site' is the user's own."""
_OTHER_WORDS = dict.fromkeys(("patient", "patientno", "caseid", "subject", "subjectid"), "patient_id")
"""What others call patient_id: overlooked, each image would be a patient of its own."""
_TRUE, _FALSE = {"true", "1", "yes"}, {"false", "0", "no", ""}


def is_phantom(text: str) -> bool:
    """Tell whether a `phantom` cell says yes."""
    return text.casefold() in _TRUE


def find_problems(
    frame: pd.DataFrame,
    raw_columns: Iterable[str],
    root: Path,
    purpose: Purpose,
    taxonomy: Taxonomy | None,
    problems: Problems,
    allow_nc: bool = False,
) -> None:
    """Add to `problems` everything wrong with the table; fill a missing id column from the paths."""
    _check_columns([str(name) for name in raw_columns], purpose, problems)
    if problems.lines:
        return
    if "id" not in frame:
        frame.insert(0, "id", frame["path"])
    if frame.empty:
        problems.add("no rows; expected at least one sample")
    _check_ids(frame, problems)
    if "path" in frame:
        _check_paths(frame, root if purpose == "train" else None, problems)
    _check_choices(frame, problems)
    _check_numbers(frame, problems)
    if purpose != "audit":  # which lists them itself
        _check_groups(frame, problems)
    if taxonomy is not None:
        _check_labels(frame, taxonomy, purpose, problems)
    if purpose == "train":
        _check_licences(frame, allow_nc, problems)


def _row(index: int) -> str:
    """Return how a user finds the row: its line in the file, counting the header."""
    return f"row {index + 2}"


def _rows(indices: pd.Index) -> str:
    """Return how a user finds several rows: the first one and how many more there are."""
    return _row(int(indices[0])) + (f" and {len(indices) - 1} more" if len(indices) > 1 else "")


def _check_columns(names: list[str], purpose: Purpose, problems: Problems) -> None:
    """Report repeated, missing and misspelt columns."""
    stripped = [name.strip() for name in names]
    for name in sorted({n for n in stripped if stripped.count(n) > 1}):
        problems.add(f"column '{name}' stands twice")
    needed = {"train": ["path", "diagnosis"], "evaluate": ["diagnosis"]}.get(purpose, ["path"])
    for name in needed:
        if name not in stripped:
            problems.add(f"column '{name}' is missing; found: {', '.join(stripped)}")
    if purpose == "evaluate" and not {"id", "path"} & set(stripped):
        problems.add("a column 'id' or 'path' is needed to match predictions")
    for name in stripped:
        known = name in COLUMNS or name.startswith((FINDING_PREFIX, FIELD_PREFIX))
        hint = "" if known else _misspelling(name, stripped)
        if hint:
            problems.add(f"column '{name}' is unknown{hint}; rename it, or leave it out")


def _misspelling(name: str, beside: list[str]) -> str:
    """Return a did-you-mean only for names very close to a known column; others are the user's own."""
    squeezed = name.casefold().replace(" ", "").replace("_", "").replace("-", "")
    for known in [name for name in COLUMNS if name not in beside]:
        plain = known.replace("_", "")
        likeness = difflib.SequenceMatcher(None, squeezed, plain).ratio()
        if squeezed == plain or (len(plain) > 4 and likeness >= _MISSPELT):
            return f" (did you mean '{known}'?)"
    other = _OTHER_WORDS.get(squeezed)
    return f" (did you mean '{other}'?)" if other and other not in beside else ""


def _check_ids(frame: pd.DataFrame, problems: Problems) -> None:
    """Report empty and repeated ids."""
    first: dict[str, int] = {}
    for index, identity in enumerate(frame["id"]):
        if identity == "":
            problems.add(f"{_row(index)}: id is empty")
        elif identity in first:
            problems.add(f"{_row(index)}: id '{identity}' stands in {_row(first[identity])} already")
        else:
            first[identity] = index


def _check_paths(frame: pd.DataFrame, root: Path | None, problems: Problems) -> None:
    """Report empty paths and, with `root`, files that are not there (predict makes a row of each)."""
    for index, path in enumerate(frame["path"]):
        if path == "":
            problems.add(f"{_row(index)}: path is empty")
        elif root is not None and ("\0" in path or not os.path.lexists(root / path)):
            problems.add(f"{_row(index)}: no file '{path}' under {root}")


def _check_choices(frame: pd.DataFrame, problems: Problems) -> None:
    """Report values outside the few that a column allows."""
    choices: dict[str, tuple[str, ...]] = {"modality": ("clinical", "histology"), "split": SPLITS}
    for name, allowed in choices.items():
        column = list(frame.get(name, ()))
        hints = {value: did_you_mean(value, allowed) for value in set(column) - {"", *allowed}}
        for index, value in enumerate(column):
            if value in hints:
                problems.add(
                    f"{_row(index)}: unknown {name} '{value}'{hints[value]}; expected {' or '.join(allowed)}"
                )
    for name in ("phantom", "train_allowed", "redistribute_allowed"):
        for index, value in enumerate(frame.get(name, [])):
            if value.casefold() not in _TRUE | _FALSE:
                problems.add(f"{_row(index)}: {name} '{value}'; expected true or false")


def _check_numbers(frame: pd.DataFrame, problems: Problems) -> None:
    """Report impossible resolutions and finding grades."""
    low, high = MPP_RANGE
    _check_range(frame, "mpp", lambda x: low <= x <= high, f"{low} to {high} micrometres per pixel", problems)
    for name in [str(c) for c in frame.columns if str(c).startswith(FINDING_PREFIX)]:
        _check_range(frame, name, lambda x: x in (0, 1, 2, 3), "a grade 0, 1, 2 or 3, or empty", problems)
    for name in [str(c) for c in frame.columns if str(c).startswith(FIELD_PREFIX)]:
        _check_range(frame, name, lambda x: x in (0, 1), "1 (in the image), 0 (not), or empty", problems)


def _check_range(
    frame: pd.DataFrame, name: str, fits: Callable[[float], bool], expected: str, problems: Problems
) -> None:
    """Report the cells of one column that are no number or do not fit."""
    for index, text in enumerate(frame.get(name, [])):
        if text == "":
            continue
        try:
            good = fits(float(text)) and math.isfinite(float(text))
        except ValueError:
            good = False
        if not good:
            problems.add(f"{_row(index)}: {name} '{text}'; expected {expected}")


def _check_groups(frame: pd.DataFrame, problems: Problems) -> None:
    """Report patients, lesions and duplicate groups whose rows stand in two splits."""
    if "split" not in frame:
        return
    for name in ("patient_id", "lesion_id", "duplicate_group"):
        if name not in frame:
            continue
        fixed = frame[(frame[name] != "") & (frame["split"] != "")]
        crossing = fixed[fixed.groupby(name)["split"].transform("nunique") > 1]
        for key, rows in crossing.groupby(name, sort=True)["split"]:
            where = ", ".join(_row(int(i)) for i in rows.index[:6]) + (" ..." if len(rows) > 6 else "")
            splits = ", ".join(sorted(set(rows)))
            problems.add(f"{name} '{key}' is in more than one split ({splits}): {where}")


def _check_labels(frame: pd.DataFrame, taxonomy: Taxonomy, purpose: Purpose, problems: Problems) -> None:
    """Report labels the taxonomy has no word for; excluded and empty ones are fine."""
    if "diagnosis" not in frame:
        return
    for label, rows in frame.groupby("diagnosis", sort=True).groups.items():
        text = str(label)
        known = text == "" or taxonomy.diagnosis_of(text) or taxonomy.exclusion_of(text)
        if not known and purpose not in ("predict", "audit"):
            where = ", ".join(_row(int(i)) for i in list(rows)[:4]) + (" ..." if len(rows) > 4 else "")
            problems.add(f"{where}: {taxonomy.unknown_label(text)}")


def _check_licences(frame: pd.DataFrame, allow_nc: bool, problems: Problems) -> None:
    """Report rows that may not be trained on, or only where the user accepts their terms (`allow_nc`)."""
    if "train_allowed" in frame:
        refused = frame.index[frame["train_allowed"].str.casefold().isin(_FALSE - {""})]
        if len(refused):
            problems.add(f"{_rows(refused)}: train_allowed is false; leave the rows out")
    if "licence" not in frame:
        return
    for text, rows in frame.groupby("licence", sort=True).groups.items():
        if text == "":
            continue  # not stated: allowed for a user's own images, counted in the card
        licence = licence_of(str(text))
        where = _rows(rows)
        if licence is None:
            problems.add(
                f"{where}: licence '{text}' is not known here; write an SPDX name such as CC-BY-4.0, "
                "'own' for your own images, or 'research only'"
            )
        elif not licence.training:
            problems.add(
                f"{where}: licence '{text}' forbids training ({licence.condition}); leave the rows out"
            )
        elif licence.restricted and not allow_nc:
            problems.add(
                f"{where}: licence '{text}' has terms to keep ({licence.condition}); where the model's use "
                "keeps to them, say so with data.allow_nc=true, else leave the rows out"
            )
