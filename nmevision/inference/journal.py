"""What was predicted so far, line by line on disk, so that an interrupted run continues."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TextIO

from nmevision.errors import RunError
from nmevision.predictions import read_predictions

PARTIAL = "predictions.partial.jsonl"
SHARDS = "shards"
"""Folder where the shards of one prediction meet (`nmevision.inference.shard_folder`)."""
Answer = dict[str, Any]
"""One sample's outcome: id, status, message and `values`, column -> number (none where status is error)."""
IN_8_BITS = "/int8"
"""Behind the hash of a bundle whose answers were computed in 8-bit integers: they are not mixed with others."""
UNUSUAL = "unlike every training image: its answer has no ground"
"""Said of an image or a slide whose features lie beyond those of all validation images."""


def error_answer(identity: str, message: str) -> Answer:
    """Return the answer of a file that could not be answered, and why."""
    return {"id": identity, "status": "error", "message": message, "values": {}}


class Journal:
    """Answers of one bundle, written as they come.

    out: the output folder. source: what gives the answers (`Predictor.source`); those of another are never mixed in.
    Raises RunError where the folder holds a finished or begun prediction and `resume` is false.
    """

    def __init__(self, out: Path, source: str, resume: bool) -> None:
        self.path = out / PARTIAL
        self.source = source
        self.answers: dict[str, Answer] = {}
        finished = out / "predictions.csv"
        if (out / SHARDS).is_dir():
            raise RunError(
                f"{out} holds shards of a prediction that are not merged yet; continue each with --shard and --resume, "
                "or choose another --out"
            )
        if not resume and (finished.exists() or self.path.exists()):
            begun = (
                "holds predictions already"
                if finished.exists()
                else "holds a prediction that was interrupted"
            )
            raise RunError(f"{out} {begun}; continue it with --resume, or choose another --out")
        if resume:
            self._read_finished(finished, out / "run.json")
            known = read_answers(self.path, source)
            self.answers |= {name: one for name, one in known.items() if one["status"] != "error"}
        self._stream: TextIO | None = None

    def add(self, answers: list[Answer]) -> None:
        """Keep these answers, on disk at once."""
        if self._stream is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            torn = self.path.exists()  # its last line may be, so a new one is begun
            self._stream = self.path.open("a", encoding="utf-8")
            self._stream.write("\n" * torn + json.dumps({"bundle": self.source}) + "\n")
        for answer in answers:
            self.answers[answer["id"]] = answer
            self._stream.write(json.dumps(answer, ensure_ascii=True) + "\n")
        self._stream.flush()

    def close(self) -> None:
        """Release the file; it stays for a later resume."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def remove(self) -> None:
        """Delete the file: everything is in predictions.csv."""
        self.close()
        self.path.unlink(missing_ok=True)

    def _read_finished(self, table: Path, facts: Path) -> None:
        """Take over the answers of an earlier finished run; unreadable files are tried again."""
        if not table.is_file():
            return
        stored = _source_named_in(facts)
        if stored is None and self.path.is_file():
            return  # killed before run.json was written: the journal still holds all of the table
        _refuse_other(stored, self.source, table)
        predictions = read_predictions(table)
        numbers = predictions.numbers
        for row in predictions.frame.to_dict("records"):
            if row["status"] != "error":
                self.answers[row["id"]] = {
                    "id": row["id"],
                    "status": row["status"],
                    "message": row["message"],
                    "values": {name: row[name] for name in numbers},
                }


def read_answers(path: Path, source: str) -> dict[str, Answer]:
    """Return the answers in a journal by id, the last of each; a line cut by a kill is ignored.

    Raises RunError where they come from another source.
    """
    answers: dict[str, Answer] = {}
    if not path.is_file():
        return answers
    mine = False
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            answer = json.loads(line)
        except ValueError:
            continue
        if "bundle" in answer:
            _refuse_other(answer["bundle"], source, path)
            mine = True
        elif mine and "status" in answer and "id" in answer:
            answers[answer["id"]] = answer
    return answers


def _refuse_other(stored: str | None, source: str, path: Path) -> None:
    if stored == source:
        return
    if stored is not None and stored.removesuffix(IN_8_BITS) == source.removesuffix(IN_8_BITS):
        how = "with" if stored.endswith(IN_8_BITS) else "without"
        raise RunError(f"{path} was made {how} --int8; go on in the same way, or choose another --out")
    raise RunError(
        f"{path} was made by another model (bundle {str(stored)[:12]}, this is "
        f"{source[:12]}); choose another --out"
    )


def _source_named_in(facts: Path) -> str | None:
    """Return what run.json says the answers come from, or None where there is no such file or it is not ours."""
    try:
        content = json.loads(facts.read_text(encoding="utf-8"))
        precision = content.get("timing", {}).get("precision")
        return str(content["bundle"]["hash"]) + (IN_8_BITS if precision == "int8" else "")
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
