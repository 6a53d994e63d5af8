"""The table of samples: one row per image file, read from CSV or Parquet and judged as a whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from nmevision.errors import DataError, Problems
from nmevision.files import atomic_path, sha256_of_text, write_csv
from nmevision.grades import UNKNOWN
from nmevision.manifest_checks import COLUMNS, Purpose, find_problems, is_phantom
from nmevision.taxonomy import Taxonomy

if TYPE_CHECKING:  # a quarter of a second: loaded where a table is made
    import pandas as pd

MODALITIES = ("clinical", "histology")
Split = Literal["train", "val", "test"]


@dataclass(frozen=True)
class Sample:
    """One image file with its row: what it is, whose it is, and what is known of it.

    An empty text means unknown, so does no mpp (micrometres per pixel). `label` is the diagnosis as the manifest spells it.
    """

    id: str
    path: Path
    modality: str = ""
    label: str = ""
    patient_id: str = ""
    source: str = ""
    mpp: float | None = None


@dataclass(frozen=True)
class Manifest:
    """Rows of samples as a table of texts, and the folder their paths start from.

    frame: every column of `manifest_checks.COLUMNS` is present as text, "" where unknown; further
        columns (finding_* and the user's own) follow as they came.
    root: the folder that relative paths start from.
    """

    frame: pd.DataFrame
    root: Path

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def fingerprint(self) -> str:
        """Return a SHA-256 over all that is known: the same after `write` and from CSV or Parquet."""
        return sha256_of_text(self._known().to_csv(index=False, lineterminator="\n"))

    @property
    def cases(self) -> pd.Series:
        """Return each row's patient; a row without patient_id is a patient of its own."""
        known = self.frame["patient_id"]
        return known.where(known != "", "sample:" + self.frame["id"])

    @property
    def phantom(self) -> pd.Series:
        """Return per row whether it is a synthetic image."""
        return self.frame["phantom"].map(is_phantom).astype(bool)

    def samples(self) -> Iterator[Sample]:
        """Yield the rows in order."""
        columns = ["id", "path", "modality", "diagnosis", "patient_id", "source", "mpp"]
        for row in self.frame[columns].itertuples(index=False, name=None):
            identity, path, modality, label, patient, source, mpp = row
            scale = float(mpp) if mpp else None
            yield Sample(identity, self.root / path, modality, label, patient, source, scale)

    def select(self, mask: pd.Series) -> Manifest:
        """Return the rows where `mask` (bool, same index) is true."""
        return replace(self, frame=self.frame[mask].reset_index(drop=True))

    def diagnoses(self, taxonomy: Taxonomy) -> pd.Series:
        """Return each row's diagnosis key in `taxonomy`, "" where unlabelled or excluded."""
        meaning = {label: taxonomy.diagnosis_of(label) or "" for label in self.frame["diagnosis"].unique()}
        return self.frame["diagnosis"].map(meaning).astype(str)

    def integers(self, columns: Sequence[str]) -> NDArray[np.int64]:
        """Return rows x columns of finding_ grades (0 to 3) or field_ marks (0, 1), -1 where unknown."""
        texts = self.frame.reindex(columns=list(columns), fill_value="")
        return np.array(
            [[UNKNOWN if text == "" else int(float(text)) for text in row] for row in texts.to_numpy()],
            dtype=np.int64,
        ).reshape(len(self), len(columns))

    def labelled(self, taxonomy: Taxonomy) -> Manifest:
        """Return the rows that carry a diagnosis of `taxonomy`."""
        return self.select(self.diagnoses(taxonomy) != "")

    def write(self, path: Path) -> None:
        """Write the table to `path` (.csv or .parquet) atomically, without columns that are all empty."""
        if path.suffix.lower() != ".parquet":
            write_csv(path, self._known())
            return
        with atomic_path(path) as temporary:
            self._known().to_parquet(temporary, index=False)

    def _known(self) -> pd.DataFrame:
        """Return the ids and the columns in which at least one cell says something."""
        kept = [c for c in self.frame if c == "id" or (self.frame[c] != "").any()]
        return self.frame[kept]


def read_manifest(
    path: Path,
    *,
    purpose: Purpose = "predict",
    taxonomy: Taxonomy | None = None,
    root: Path | None = None,
    allow_nc: bool = False,
) -> Manifest:
    """Read and judge a manifest; raise DataError listing every problem with its row.

    purpose: "train" wants labels that `taxonomy` knows and licences that allow training;
        "evaluate" wants ids and labels but no image files; "predict" wants image paths only, and
        "audit" too: it tells itself what stands in two splits.
    root: the folder that relative paths start from; the manifest's own folder by default.
    allow_nc: train on images whose terms forbid commercial use, too.
    """
    path = Path(path)
    raw = _read_table(path)
    frame = _normalised(raw)
    folder = Path(root) if root is not None else path.parent
    problems = Problems()
    find_problems(frame, list(raw.columns), folder, purpose, taxonomy, problems, allow_nc)
    problems.raise_if_any(DataError, str(path))
    return Manifest(_ordered(frame), folder)


def manifest_of(rows: list[dict[str, str]], root: Path) -> Manifest:
    """Return a manifest of rows made by code (a folder walk, a public set's loader)."""
    import pandas as pd

    frame = pd.DataFrame(rows, columns=sorted({key for row in rows for key in row}) or ["id", "path"])
    return Manifest(_ordered(frame.fillna("").astype(str)), Path(root))


def _ordered(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the table with every known column first, "" where it was not there."""
    return frame.reindex(columns=[*COLUMNS, *(c for c in frame if c not in COLUMNS)], fill_value="")


def _read_table(path: Path) -> pd.DataFrame:
    """Return the file's table with every CSV cell as text; rows are numbered from 0."""
    import pandas as pd

    try:
        if path.suffix.lower() == ".parquet":
            frame = pd.read_parquet(path)
            return frame.reset_index(drop=list(frame.index.names) == [None])
        if path.suffix.lower() == ".csv":
            # header=None: else pandas renames repeated columns, and takes a cell too many for an index
            cells = pd.read_csv(path, header=None, dtype=str, keep_default_na=False, encoding="utf-8-sig")
            frame = cells[1:].reset_index(drop=True)
            frame.columns = pd.Index([str(name) for name in cells.iloc[0]])
            nameless = (frame.columns.str.strip() == "") & (frame.fillna("") == "").all().to_numpy()
            return frame.loc[:, ~nameless]  # a spreadsheet's empty columns at the end
    except FileNotFoundError:
        raise DataError(f"{path}: no such manifest") from None
    except (OSError, UnicodeDecodeError, ValueError) as problem:
        raise DataError(f"{path}: cannot be read as {path.suffix[1:]}: {problem}") from None
    raise DataError(f"{path}: expected a .csv or .parquet manifest, found '{path.suffix}'")


def _normalised(raw: pd.DataFrame) -> pd.DataFrame:
    """Return the table with trimmed lower-case column names and every cell as trimmed text."""
    frame = raw.rename(columns=lambda name: str(name).strip())
    for name in frame.columns[~frame.columns.duplicated(keep=False)]:  # repeated ones are reported
        column = frame[name].astype(object)
        text = column.map(_as_text).where(column.notna(), "")
        frame[name] = text if name == "path" else text.str.strip()
    return frame.astype(str)


def _as_text(value: object) -> str:
    """Return a Parquet cell as text; 7.0 in a column of ids is '7', never '7.0'."""
    if isinstance(value, (float, np.floating)) and value.is_integer():
        return str(int(value))
    return str(value)
