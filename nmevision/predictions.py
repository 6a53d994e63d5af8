"""The table that prediction writes and evaluation reads: one row per file, one probability per diagnosis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nmevision.errors import DataError, Problems
from nmevision.files import write_csv
from nmevision.manifest_checks import FIELD_PREFIX, FINDING_PREFIX

if TYPE_CHECKING:  # a quarter of a second: loaded where a table is made
    import pandas as pd

STATUSES = ("ok", "flagged", "error")
"""ok: answered. flagged: answered, but read the message. error: not answered, the message says why."""
COLUMNS = ("id", "path", "status", "message", "diagnosis")
PROBABILITY_PREFIX = "p_"
GROUP_PREFIX = "p_group_"
LEARNED_PREFIX, KNOWLEDGE_PREFIX = "learned_", "knowledge_"
"""The two routes to p_<diagnosis>: the head that learned from images, and the profiles over the findings."""
KNOWLEDGE_GROUP_PREFIX = "knowledge_group_"
"""The profiles' answer by tissue pattern, over all patterns that they know and `other`."""
SPREAD_PREFIX = "spread_"
"""The standard deviation of a finding's grade; finding_<key> is its expected grade, 0-3, and field_<key> the
probability that a structure is in the field, so that its findings can be assessed."""
NOVELTY = "novelty"
"""Share, 0 to 1, of validation images that look less unusual to the network; 1: far beyond all of them."""
ATTENTION = "attention"
"""How much an image counts among those of its case: a softmax over them gives shares. Without it all count alike."""
FIT = "fit"
"""How often a true case of the best-fitting profile would fit it no better, 0 to 1; small: fits none."""
ROUTES = "routes"
"""`agree` or `disagree`: whether both routes name the same diagnosis."""
SET, SET_GROUPS, SET_LEVEL = "prediction_set", "prediction_set_groups", "prediction_set_level"
"""What an answer cannot rule out, and the level at which: keys between "; ", with "?" where too few patients were there
to ever rule one out, or why no set can be told (`nmevision.networks.sets`)."""
NUMBER_PREFIXES = (
    PROBABILITY_PREFIX,
    LEARNED_PREFIX,
    KNOWLEDGE_PREFIX,
    FINDING_PREFIX,
    SPREAD_PREFIX,
    FIELD_PREFIX,
    NOVELTY,
    ATTENTION,
    FIT,
)
DECIMALS = 8
"""Fewer would make saturated answers tie and lose their ranking; float32 carries no more."""
SUM_TOLERANCE = 1e-3


@dataclass(frozen=True)
class PredictionTable:
    """Rows of predictions. `frame` has COLUMNS, then p_<diagnosis> as float (NaN where status is error).

    Columns `group` and p_group_<group>, `patient_id` and `source` stand where they are known; what else the model
    says of an image follows (novelty, both routes, findings, fields).
    """

    frame: pd.DataFrame

    @property
    def diagnoses(self) -> tuple[str, ...]:
        """Return the diagnosis keys in column order."""
        start = len(PROBABILITY_PREFIX)
        return tuple(
            str(name)[start:]
            for name in self.frame.columns
            if str(name).startswith(PROBABILITY_PREFIX) and not str(name).startswith(GROUP_PREFIX)
        )

    @property
    def numbers(self) -> tuple[str, ...]:
        """Return the columns of numbers that the model gave, without those summed by group."""
        return tuple(
            str(name)
            for name in self.frame.columns
            if str(name).startswith(NUMBER_PREFIXES) and not str(name).startswith(GROUP_PREFIX)
        )

    @property
    def answered(self) -> pd.DataFrame:
        """Return the rows that carry a prediction (status ok or flagged)."""
        return self.frame[self.frame["status"] != "error"]

    def probabilities(self) -> np.ndarray:
        """Return float64 rows x diagnoses, NaN rows where status is error."""
        columns = [PROBABILITY_PREFIX + key for key in self.diagnoses]
        return self.frame[columns].to_numpy(np.float64)

    def counts(self) -> dict[str, int]:
        """Return how many rows have each status."""
        found = self.frame["status"].value_counts()
        return {status: int(found.get(status, 0)) for status in STATUSES}

    def write(self, path: Path) -> None:
        """Write the table as CSV atomically, probabilities with DECIMALS decimals."""
        write_csv(path, self.frame, DECIMALS)


def by_case(table: PredictionTable, taxonomy_groups: Mapping[str, str] | None = None) -> pd.DataFrame:
    """Return one row per patient: the mean of the samples' log-probabilities, renormalised.

    Where the model learned how much each image counts (column `attention`), the mean is weighted so.

    This is the mean of the calibrated logits (a softmax undoes the constant per sample). A sample
    without patient_id is a case of its own. Columns: patient_id, n_samples, n_answered, diagnosis,
    p_<diagnosis>; with `taxonomy_groups` (diagnosis -> group) also group and p_group_<group>.
    """
    import pandas as pd

    frame = table.frame
    patients = frame["patient_id"] if "patient_id" in frame else pd.Series("", index=frame.index)
    case = patients.where(patients != "", frame["id"])
    logs = pd.DataFrame(np.log(np.clip(table.probabilities(), 10.0**-DECIMALS, 1)), index=frame.index)
    keys = [case, patients == ""]  # a sample called like a patient is not that patient's
    if ATTENTION in frame:
        below_top = frame[ATTENTION] - frame[ATTENTION].groupby(keys).transform("max")
        weights = pd.Series(np.exp(below_top.to_numpy(np.float64)), index=frame.index)
        logs = logs.mul(weights / weights.groupby(keys).transform("mean"), axis=0)
    grouped = logs.groupby(keys, sort=True)
    mean = grouped.mean().to_numpy()
    powers = np.exp(mean - np.max(mean, axis=1, keepdims=True))
    shares = powers / powers.sum(axis=1, keepdims=True)
    sizes = grouped.size()
    answered = (frame["status"] != "error").groupby(keys, sort=True).sum()
    rows = pd.DataFrame(
        {
            "patient_id": sizes.index.get_level_values(0),
            "n_samples": sizes.to_numpy(),
            "n_answered": answered.to_numpy(),
        }
    )
    return with_answers(rows, shares, table.diagnoses, taxonomy_groups)


def group_members(
    diagnoses: Sequence[str], group_of: Mapping[str, str]
) -> tuple[tuple[str, ...], np.ndarray]:
    """Return the groups in the order in which they appear, and D x G: 1 where a diagnosis is of a group, else 0.

    Probabilities N x D times it are those of the groups.
    """
    mine = [group_of[key] for key in diagnoses]
    groups = tuple(dict.fromkeys(mine))
    return groups, np.array([[own == group for group in groups] for own in mine], dtype=np.float64)


def with_answers(
    rows: pd.DataFrame,
    probabilities: np.ndarray,
    diagnoses: tuple[str, ...],
    group_of: Mapping[str, str] | None,
) -> pd.DataFrame:
    """Return `rows` with group and diagnosis of the largest probability and all probabilities.

    probabilities: rows x diagnoses, NaN rows where there is no answer.
    group_of: diagnosis -> group; the group columns appear only where it names more than one group
        and fewer groups than diagnoses (else they would repeat the diagnoses).
    """
    import pandas as pd

    rows = rows.reset_index(drop=True)
    known = ~np.isnan(probabilities).any(axis=1)
    best = np.where(known, np.nan_to_num(probabilities).argmax(axis=1), -1)
    groups, member = group_members(diagnoses, group_of) if group_of else ((), np.empty(0))
    columns: dict[str, object] = {}
    if 1 < len(groups) < len(diagnoses):
        shares = probabilities @ member
        leading = np.where(known, np.nan_to_num(shares).argmax(axis=1), -1)
        columns["group"] = [groups[i] if i >= 0 else "" for i in leading]
        columns |= {GROUP_PREFIX + group: shares[:, i] for i, group in enumerate(groups)}
    columns["diagnosis"] = [diagnoses[i] if i >= 0 else "" for i in best]
    columns |= {PROBABILITY_PREFIX + key: probabilities[:, i] for i, key in enumerate(diagnoses)}
    return pd.concat([rows, pd.DataFrame(columns, index=rows.index)], axis=1)


def table_of(
    rows: pd.DataFrame,
    answers: Sequence[Mapping[str, float]],
    diagnoses: tuple[str, ...],
    group_of: Mapping[str, str],
) -> PredictionTable:
    """Return the table of `rows` with each row's numbers by column; {} where there is no answer."""
    import pandas as pd

    numbers = pd.DataFrame(list(answers), index=rows.index, dtype=np.float64)
    shares = numbers.reindex(columns=[PROBABILITY_PREFIX + key for key in diagnoses])
    frame = with_answers(rows, shares.to_numpy(np.float64), diagnoses, group_of)
    rest = numbers.drop(columns=shares.columns, errors="ignore").reset_index(drop=True)
    if any(str(name).startswith(LEARNED_PREFIX) for name in rest):
        frame[ROUTES] = _routes(rest, diagnoses)
    return PredictionTable(pd.concat([frame, rest], axis=1))


def _routes(numbers: pd.DataFrame, diagnoses: tuple[str, ...]) -> list[str]:
    """Return whether the learned and the knowledge route name the same diagnosis, "" without an answer."""
    learned, knowledge = (
        numbers[[prefix + key for key in diagnoses]].to_numpy(np.float64)
        for prefix in (LEARNED_PREFIX, KNOWLEDGE_PREFIX)
    )
    known = ~np.isnan(learned).any(axis=1)
    same = np.nan_to_num(learned).argmax(axis=1) == np.nan_to_num(knowledge).argmax(axis=1)
    words = np.where(same, "agree", "disagree")
    return [str(word) if answered else "" for word, answered in zip(words, known, strict=True)]


def read_predictions(path: Path) -> PredictionTable:
    """Read predictions.csv and judge it; raise DataError listing every problem."""
    import pandas as pd

    path = Path(path)
    try:
        frame = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8")
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; `nmevision predict` writes predictions.csv") from None
    except (OSError, UnicodeDecodeError, ValueError) as problem:
        raise DataError(f"{path}: cannot be read as CSV: {problem}") from None
    problems = Problems()
    for name in COLUMNS:
        if name not in frame:
            problems.add(f"column '{name}' is missing")
    problems.raise_if_any(DataError, str(path))
    numeric = [c for c in frame if str(c).startswith(NUMBER_PREFIXES)]
    for column in numeric:
        frame[column] = pd.to_numeric(frame[column].replace("", "nan"), errors="coerce")
    table = PredictionTable(frame)
    _judge(table, problems)
    problems.raise_if_any(DataError, str(path))
    return table


def _judge(table: PredictionTable, problems: Problems) -> None:
    """Add to `problems` what contradicts the table's definition."""
    frame = table.frame
    if len(table.diagnoses) < 2:
        problems.add("expected at least two columns p_<diagnosis>")
        return
    for identity in frame["id"][frame["id"].duplicated()].unique():
        problems.add(f"id '{identity}' stands more than once")
    for status in sorted(set(frame["status"]) - set(STATUSES)):
        problems.add(f"unknown status '{status}'; expected {', '.join(STATUSES)}")
    values = table.probabilities()
    answered = (frame["status"] != "error").to_numpy()
    outside = answered & ~((values >= 0) & (values <= 1)).all(axis=1)
    unequal = answered & ~outside & (np.abs(values.sum(axis=1) - 1) > SUM_TOLERANCE)
    for index in np.flatnonzero(outside):
        problems.add(f"row {index + 2}: probabilities must be numbers from 0 to 1")
    for index in np.flatnonzero(unequal):
        problems.add(f"row {index + 2}: probabilities sum to {values[index].sum():.4f}, expected 1")
