"""The prediction table: what is written reads back, what is wrong is told, cases are the mean logits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax

from nmevision.errors import DataError
from nmevision.predictions import PredictionTable, by_case, read_predictions, with_answers

KEYS = ("nme", "pellagra", "psoriasis")
GROUP_OF = {"nme": "necrolytic", "pellagra": "necrolytic", "psoriasis": "other"}


def table(values: np.ndarray, patients: list[str] | None = None, groups: bool = False) -> PredictionTable:
    """A table with one row per row of `values`; NaN rows are errors."""
    failed = np.isnan(values).any(axis=1)
    frame = pd.DataFrame(
        {
            "id": [f"{n:03d}" for n in range(len(values))],
            "path": [f"{n}.jpg" for n in range(len(values))],
            "status": np.where(failed, "error", "ok"),
            "message": np.where(failed, "cut short", ""),
        }
    )
    if patients is not None:
        frame["patient_id"] = patients
    return PredictionTable(with_answers(frame, values, KEYS, GROUP_OF if groups else None))


def random_logits(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(scale=2, size=(n, len(KEYS)))


class TestAnswers:
    def test_diagnosis_and_probabilities(self) -> None:
        frame = table(np.array([[0.2, 0.7, 0.1], [0.1, 0.1, 0.8], [np.nan] * 3])).frame
        assert frame["diagnosis"].tolist() == ["pellagra", "psoriasis", ""]
        assert list(frame.columns) == [
            "id",
            "path",
            "status",
            "message",
            "diagnosis",
            *(f"p_{k}" for k in KEYS),
        ]

    def test_groups_add_their_members_and_may_lead_where_no_member_does(self) -> None:
        frame = table(np.array([[0.3, 0.3, 0.4], [0.1, 0.1, 0.8], [np.nan] * 3]), groups=True).frame
        assert frame["group"].tolist() == ["necrolytic", "other", ""]
        assert frame["diagnosis"].tolist() == ["psoriasis", "psoriasis", ""]
        np.testing.assert_allclose(frame["p_group_necrolytic"], [0.6, 0.2, np.nan])
        np.testing.assert_allclose(frame["p_group_other"], [0.4, 0.8, np.nan])

    def test_group_columns_are_no_diagnoses(self) -> None:
        assert table(np.full((1, 3), 1 / 3), groups=True).diagnoses == KEYS

    @pytest.mark.parametrize("groups", [dict.fromkeys(KEYS, "one"), {k: k for k in KEYS}])
    def test_groups_that_would_say_nothing_are_left_out(self, groups: dict[str, str]) -> None:
        rows = with_answers(pd.DataFrame({"id": ["1"]}), np.full((1, 3), 1 / 3), KEYS, groups)
        assert not [c for c in rows if "group" in str(c)]

    def test_counts_and_answered(self) -> None:
        made = table(np.array([[0.2, 0.7, 0.1], [np.nan] * 3]))
        assert made.counts() == {"ok": 1, "flagged": 0, "error": 1}
        assert made.answered["id"].tolist() == ["000"]


class TestCases:
    def test_a_case_is_the_softmax_of_its_mean_logits(self) -> None:
        logits = random_logits(7)
        patients = ["b", "a", "b", "a", "c", "b", "c"]
        cases = by_case(table(softmax(logits, axis=1), patients)).set_index("patient_id")
        for patient in "abc":
            mine = logits[[p == patient for p in patients]]
            expected = softmax(mine.mean(axis=0))
            np.testing.assert_allclose(
                cases.loc[patient, ["p_nme", "p_pellagra", "p_psoriasis"]].astype(float), expected, atol=1e-6
            )
            assert cases.loc[patient, "diagnosis"] == KEYS[expected.argmax()]
            assert cases.loc[patient, "n_samples"] == len(mine)

    def test_shifting_the_logits_of_a_sample_changes_nothing(self) -> None:
        logits = random_logits(4)
        shifted = logits + np.array([[5.0], [-3.0], [0.0], [100.0]])
        one, other = (by_case(table(softmax(x, axis=1), ["p"] * 4)) for x in (logits, shifted))
        np.testing.assert_allclose(one["p_nme"], other["p_nme"])

    def test_an_unreadable_sample_counts_but_does_not_vote(self) -> None:
        values = np.array([[0.7, 0.2, 0.1], [np.nan] * 3, [np.nan] * 3])
        cases = by_case(table(values, ["a", "a", "b"]))
        assert cases["n_samples"].tolist() == [2, 1]
        assert cases["n_answered"].tolist() == [1, 0]
        assert cases["diagnosis"].tolist() == ["nme", ""]
        np.testing.assert_allclose(cases["p_nme"], [0.7, np.nan])

    def test_a_sample_without_a_patient_is_a_case_of_its_own(self) -> None:
        values = softmax(random_logits(3), axis=1)
        assert len(by_case(table(values))) == 3
        assert len(by_case(table(values, ["", "", "x"]))) == 3

    def test_a_sample_named_like_a_patient_is_not_that_patient(self) -> None:
        values = softmax(random_logits(2), axis=1)
        assert len(by_case(table(values, ["001", ""]))) == 2  # the second sample's id is 001

    def test_a_certain_answer_does_not_silence_the_others(self) -> None:
        values = np.array([[1.0, 0.0, 0.0], [0.001, 0.0, 0.999]])
        cases = by_case(table(values, ["p", "p"]))
        assert np.isfinite(cases[["p_nme", "p_pellagra", "p_psoriasis"]].to_numpy()).all()
        assert cases["diagnosis"].tolist() == ["nme"]

    def test_groups(self) -> None:
        cases = by_case(table(softmax(random_logits(4), axis=1), list("aabb")), GROUP_OF)
        np.testing.assert_allclose(cases["p_group_necrolytic"], cases["p_nme"] + cases["p_pellagra"])


class TestReading:
    def test_what_is_written_reads_back(self, tmp_path: Path) -> None:
        values = softmax(random_logits(20), axis=1)
        values[3] = np.nan
        made = table(values, [f"0{n}" for n in range(20)], groups=True)
        made.write(tmp_path / "p.csv")
        again = read_predictions(tmp_path / "p.csv")
        assert again.diagnoses == KEYS
        assert again.frame["patient_id"].tolist() == made.frame["patient_id"].tolist()
        assert again.frame["id"].tolist()[0] == "000"
        np.testing.assert_allclose(again.probabilities(), values, atol=0.5e-8)

    def lines(
        self, tmp_path: Path, *rows: str, header: str = "id,path,status,message,diagnosis,p_a,p_b"
    ) -> list[str]:
        (tmp_path / "p.csv").write_text("\n".join([header, *rows]) + "\n")
        with pytest.raises(DataError) as caught:
            read_predictions(tmp_path / "p.csv")
        return [line.removeprefix("  - ") for line in str(caught.value).splitlines()[1:]]

    def test_everything_wrong_is_told_at_once(self, tmp_path: Path) -> None:
        found = self.lines(
            tmp_path,
            "1,a,ok,,a,0.5,0.5",
            "1,b,okay,,a,0.6,0.4",
            "2,c,ok,,a,0.5,0.6",
            "3,d,ok,,a,1.5,-0.5",
            "4,e,ok,,a,x,0.5",
            "5,f,flagged,,a,,",
            "6,g,error,,,,",
        )
        assert found == [
            "id '1' stands more than once",
            "unknown status 'okay'; expected ok, flagged, error",
            "row 5: probabilities must be numbers from 0 to 1",
            "row 6: probabilities must be numbers from 0 to 1",
            "row 7: probabilities must be numbers from 0 to 1",
            "row 4: probabilities sum to 1.1000, expected 1",
        ]

    def test_missing_columns(self, tmp_path: Path) -> None:
        assert self.lines(tmp_path, "1,0.5", header="id,p_a") == [
            f"column '{name}' is missing" for name in ("path", "status", "message", "diagnosis")
        ]

    def test_one_class_is_no_classification(self, tmp_path: Path) -> None:
        found = self.lines(tmp_path, "1,a,ok,,a,1", header="id,path,status,message,diagnosis,p_a")
        assert found == ["expected at least two columns p_<diagnosis>"]

    def test_logits_are_not_taken_for_probabilities(self, tmp_path: Path) -> None:
        assert self.lines(tmp_path, "1,a,ok,,a,3.2,-1.1") == [
            "row 2: probabilities must be numbers from 0 to 1"
        ]

    @pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b'a,b\n"1,2\n'])
    def test_no_table(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "p.csv").write_bytes(content)
        with pytest.raises(DataError, match=r"p\.csv"):
            read_predictions(tmp_path / "p.csv")

    def test_a_cell_too_many_shifts_nothing(self, tmp_path: Path) -> None:
        (tmp_path / "p.csv").write_text("id,path,status,message,diagnosis,p_a,p_b\n1,a,ok,,a,0.5,0.5,\n")
        with pytest.raises(DataError, match=r"p\.csv"):
            read_predictions(tmp_path / "p.csv")

    def test_missing(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="no such file; `nmevision predict` writes"):
            read_predictions(tmp_path / "p.csv")
