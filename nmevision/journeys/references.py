"""Which cases of a reference set lie nearest to each predicted image, in the features of the model that answered."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nmevision.errors import ConfigError, DataError
from nmevision.inference.features import Features, read_features
from nmevision.manifest import read_manifest
from nmevision.reader.cases import Answers, read_answers
from nmevision.reader.references import References

MOST = 5
"""Reference cases that are shown with an image: each of another patient."""
OWN = "features.safetensors"
"""Where the features of the predicted images are looked for, in the folder of their predictions."""
_AT_ONCE = 256
_LEAST = 1e-12

Floats = NDArray[np.float64]


def nearest_references(
    predictions: Path | None, features: Path, manifest: Path, own: Path | None = None
) -> References:
    """Return the MOST nearest reference patients of every predicted image that has features.

    Nearness is the cosine between features, measured from the middle of the reference set. An image is never its own
    reference (the same file, or the same patient by patient_id).

    Args:
        predictions: folder of `nmevision predict`.
        features: of the reference set, by `nmevision features` with the model that answered.
        manifest: of the reference set: diagnosis, source and licence of each image.
        own: features of the predicted images; OWN in the folder of the predictions by default.

    Raises:
        ConfigError: there are no predictions to show references with. RunError: the folder holds no whole one.
        DataError: a file of features is missing, was made by another model, or fits no row.
    """
    if predictions is None:
        raise ConfigError("--references goes with the folder of a prediction, not with the empty form")
    answers, table = read_answers(predictions), read_manifest(Path(manifest))
    of_set = _read(features, answers, f"`nmevision features MODEL {manifest} --out {features}` makes them")
    path = own or Path(predictions) / OWN
    mine = _read(path, answers, f"`nmevision features MODEL IMAGES --out {path}` makes them")
    values, there = of_set.of(table.frame["id"].tolist())
    if not there.any():
        raise DataError(f"{features}: no row of {manifest} has features in it; make them from this manifest")
    digest = dict(zip(of_set.ids, of_set.sha256, strict=True))
    rows = np.flatnonzero(there)
    cases = table.cases.to_numpy(object)[rows]
    patients = table.frame["patient_id"].to_numpy(object)[rows].tolist()
    files = [digest[identity] for identity in table.frame["id"].to_numpy(object)[rows]]
    same = _pairs(mine.sha256, files) | _pairs(_patients(answers, mine), patients)
    found = nearest(mine.values, values, cases, same)
    return References(
        table,
        {
            identity: [(int(rows[i]), likeness) for i, likeness in near]
            for identity, near in zip(mine.ids, found, strict=True)
        },
        len(rows),
        len(set(cases)),
        Path(manifest).name,
    )


def nearest(
    images: NDArray[np.floating],
    references: NDArray[np.floating],
    cases: NDArray[np.object_],
    same: NDArray[np.bool_],
) -> list[list[tuple[int, float]]]:
    """Return each image's nearest references, of MOST cases, the nearest first: (row, cosine from the middle).

    images: N x D, references: M x D, cases: M, whose each is, same: N x M, pairs that are not compared.
    """
    middle = np.asarray(references, np.float64).mean(axis=0)
    x, y = _unit(images - middle), _unit(references - middle)
    _, whose = np.unique(cases.astype(str), return_inverse=True)
    order = np.argsort(whose, kind="stable")
    starts = np.flatnonzero(np.diff(whose[order], prepend=-1))
    found = []
    for start in range(0, len(x), _AT_ONCE):
        some = slice(start, start + _AT_ONCE)
        likeness = np.where(same[some], -np.inf, x[some] @ y.T)[:, order]
        best = np.maximum.reduceat(likeness, starts, axis=1)
        for row, of_cases in zip(likeness, best, strict=True):
            near = []
            for case in np.argsort(-of_cases, kind="stable")[:MOST]:
                if np.isfinite(of_cases[case]):
                    place = starts[case] + int(np.argmax(row[starts[case] :] == of_cases[case]))
                    near.append((int(order[place]), float(of_cases[case])))
            found.append(near)
    return found


def _pairs(ours: Sequence[str], theirs: Sequence[str]) -> NDArray[np.bool_]:
    """Return N x M, which texts are equal and not empty."""
    _, codes = np.unique(np.array(["", *ours, *theirs], dtype=str), return_inverse=True)
    mine, other = codes[1 : len(ours) + 1], codes[len(ours) + 1 :]
    return (mine[:, None] == other) & (other != codes[0])


def _unit(values: Floats) -> Floats:
    """Return rows of length 1; one at the middle itself is like nothing."""
    return values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), _LEAST)


def _read(path: Path, answers: Answers, made: str) -> Features:
    """Return the features in a file; refuse those of another model than the one that answered."""
    if not Path(path).is_file():
        raise DataError(f"{path}: no such file of features; {made}")
    found = read_features(Path(path))
    wanted = f"bundle:{answers.facts['bundle']['hash']}"
    if found.identity != wanted:
        raise DataError(
            f"{path}: features of {found.extractor} ({found.identity[:19]}), but the predictions are of "
            f"{answers.facts['bundle']['name']} ({wanted[:19]}); {made}"
        )
    return found


def _patients(answers: Answers, mine: Features) -> list[str]:
    """Return whose each image with features is, "" where unknown."""
    frame = answers.table.frame
    known = frame["patient_id"] if "patient_id" in frame else pd.Series("", index=frame.index)
    of = dict(zip(frame["id"], known, strict=True))
    return [str(of.get(identity, "")) for identity in mine.ids]
