"""The journal: what was answered stays answered, through kills, and never mixes two models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from nmevision.errors import RunError
from nmevision.inference.journal import IN_8_BITS, PARTIAL, Journal

HASH = "a" * 64


def answer(identity: str, status: str = "ok") -> dict[str, Any]:
    values = {} if status == "error" else {"p_x": 0.25, "p_y": 0.75, "novelty": 0.5}
    return {
        "id": identity,
        "status": status,
        "message": "ünü\n" if status != "ok" else "",
        "values": values,
    }


def begun(folder: Path, *answers: dict[str, Any]) -> None:
    journal = Journal(folder, HASH, resume=False)
    journal.add(list(answers))
    journal.close()


def finished(folder: Path, bundle_hash: str | None = HASH) -> None:
    folder.mkdir(exist_ok=True)
    rows = [("007", "ok", 0.25, 0.75), ("b", "error", "", ""), ("c", "flagged", 1, 0)]
    pd.DataFrame(
        [(i, f"{i}.jpg", status, "m" if status != "ok" else "", "", a, b) for i, status, a, b in rows],
        columns=["id", "path", "status", "message", "diagnosis", "p_x", "p_y"],
    ).to_csv(folder / "predictions.csv", index=False)
    if bundle_hash is not None:
        (folder / "run.json").write_text(json.dumps({"bundle": {"hash": bundle_hash}}))


def test_answers_are_on_disk_at_once(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "out", HASH, resume=False)
    journal.add([answer("a"), answer("b", "flagged")])
    assert Journal(tmp_path / "out", HASH, resume=True).answers == {
        "a": answer("a"),
        "b": answer("b", "flagged"),
    }
    journal.close()


def test_it_goes_on_after_each_interruption(tmp_path: Path) -> None:
    begun(tmp_path, answer("a"))
    for identity in ("b", "c"):
        journal = Journal(tmp_path, HASH, resume=True)
        journal.add([answer(identity)])
        journal.close()
    assert list(Journal(tmp_path, HASH, resume=True).answers) == ["a", "b", "c"]


@pytest.mark.parametrize("cut", [1, 5, 30])
def test_a_line_torn_by_a_kill_is_asked_again(tmp_path: Path, cut: int) -> None:
    begun(tmp_path, answer("a"), answer("b"))
    path = tmp_path / PARTIAL
    path.write_bytes(path.read_bytes()[:-cut])
    journal = Journal(tmp_path, HASH, resume=True)
    assert set(journal.answers) >= {"a"}
    assert set(journal.answers) <= {"a", "b"}
    journal.add([answer("b"), answer("c")])
    journal.close()
    assert Journal(tmp_path, HASH, resume=True).answers == {i: answer(i) for i in "abc"}


def test_a_kill_before_the_first_line_was_whole(tmp_path: Path) -> None:
    begun(tmp_path, answer("a"))
    path = tmp_path / PARTIAL
    whole = path.read_bytes()
    for keep in (0, 10):
        path.write_bytes(whole[:keep])
        journal = Journal(tmp_path, HASH, resume=True)
        assert journal.answers == {}
        journal.add([answer("a")])
        journal.close()
        assert Journal(tmp_path, HASH, resume=True).answers == {"a": answer("a")}
        with pytest.raises(RunError, match="another model"):  # it is still known whose answers these are
            Journal(tmp_path, "b" * 64, resume=True)


def test_unreadable_files_are_tried_again(tmp_path: Path) -> None:
    begun(tmp_path, answer("a"), answer("b", "error"))
    assert set(Journal(tmp_path, HASH, resume=True).answers) == {"a"}


def test_another_model_is_refused(tmp_path: Path) -> None:
    begun(tmp_path, answer("a"))
    with pytest.raises(
        RunError, match=r"made by another model \(bundle aaaaaaaaaaaa, this is bbbbbbbbbbbb\)"
    ):
        Journal(tmp_path, "b" * 64, resume=True)


def test_without_resume_nothing_is_written_over(tmp_path: Path) -> None:
    begun(tmp_path / "x", answer("a"))
    with pytest.raises(RunError, match="holds a prediction that was interrupted; continue it with --resume"):
        Journal(tmp_path / "x", HASH, resume=False)
    finished(tmp_path / "y")
    with pytest.raises(RunError, match="holds predictions already"):
        Journal(tmp_path / "y", HASH, resume=False)


def test_a_finished_table_is_taken_over_but_its_errors(tmp_path: Path) -> None:
    finished(tmp_path)
    answers = Journal(tmp_path, HASH, resume=True).answers
    assert set(answers) == {"007", "c"}
    assert answers["007"] == {
        "id": "007",
        "status": "ok",
        "message": "",
        "values": {"p_x": 0.25, "p_y": 0.75},
    }
    assert answers["c"]["status"] == "flagged"


@pytest.mark.parametrize("other", ["b" * 64, None])
def test_a_finished_table_of_another_model_or_nobodys_is_refused(tmp_path: Path, other: str | None) -> None:
    finished(tmp_path, other)
    with pytest.raises(RunError, match="made by another model"):
        Journal(tmp_path, HASH, resume=True)


def test_a_kill_between_the_table_and_its_record_loses_nothing(tmp_path: Path) -> None:
    begun(tmp_path, answer("007"), answer("b", "error"), answer("c"))
    finished(tmp_path, None)
    assert set(Journal(tmp_path, HASH, resume=True).answers) == {"007", "c"}


@pytest.mark.parametrize("text", ["", "{", "[]"])
def test_a_broken_record_of_a_finished_run_is_refused_in_words(tmp_path: Path, text: str) -> None:
    finished(tmp_path)
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(RunError):
        Journal(tmp_path, HASH, resume=True)


def test_remove(tmp_path: Path) -> None:
    journal = Journal(tmp_path, HASH, resume=False)
    journal.remove()  # nothing was written yet
    journal.add([answer("a")])
    journal.remove()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("first", "then"), [("", IN_8_BITS), (IN_8_BITS, "")])
def test_answers_in_8_bits_are_not_mixed_with_others(tmp_path: Path, first: str, then: str) -> None:
    how = "with" if first else "without"
    journal = Journal(tmp_path / "begun", HASH + first, resume=False)
    journal.add([answer("a")])
    journal.close()
    finished(tmp_path / "finished")
    facts = {"bundle": {"hash": HASH}, "timing": {"precision": "int8" if first else "float32"}}
    (tmp_path / "finished" / "run.json").write_text(json.dumps(facts))
    for name in ("begun", "finished"):
        assert Journal(tmp_path / name, HASH + first, resume=True).answers
        with pytest.raises(RunError, match=f"was made {how} --int8; go on in the same way"):
            Journal(tmp_path / name, HASH + then, resume=True)
