"""Where the shards of one prediction meet on disk: OUT/shards, until the last to finish has merged them.

    2-of-4.begun.json   what the shard is a share of: all must agree
    2-of-4/             its journal, and its slides' tiles
    2-of-4.done.json    it has answered all of its files, and how long that took
    *.lock              held while a shard runs or merges; the system frees them when a process dies

The marks lie in one folder, so that whoever adds its own sees the others' on a network drive too.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nmevision.errors import RunError
from nmevision.files import write_json
from nmevision.inference.journal import PARTIAL, SHARDS, Answer, read_answers
from nmevision.inference.shards import Shard
from nmevision.inference.tile_table import Row, TileTable
from nmevision.locks import held

Facts = dict[str, Any]


class ShardFolder:
    """One shard's side of OUT/shards.

    out: the folder that all shards share. facts: what the prediction is (model, input, settings), the same for all.
    """

    def __init__(self, out: Path, shard: Shard, facts: Facts) -> None:
        self.meeting = Path(out) / SHARDS
        self.shard = shard
        self.facts = {"shards": shard.count, **facts}

    @property
    def journals(self) -> Path:
        """Return the folder of this shard's journal."""
        return self.meeting / self.shard.name

    @contextmanager
    def running(self, resume: bool) -> Iterator[None]:
        """Hold the shard while the block runs.

        Raises RunError where it was begun before and `resume` is false, where it runs already, and where the other
        shards are of another prediction.
        """
        self.meeting.mkdir(parents=True, exist_ok=True)
        with held(self.meeting / f"{self.shard.name}.lock") as mine:
            if not mine:
                raise RunError(
                    f"shard {self.shard} of {self.meeting.parent} is run by another process just now"
                )
            begun = self.meeting / f"{self.shard.name}.begun.json"
            new = not begun.exists()
            if not new and not resume:
                raise RunError(
                    f"shard {self.shard} of {self.meeting.parent} was begun before; continue it with --resume, or "
                    "choose another --out"
                )
            if new:
                write_json(begun, self.facts)
            try:
                self._compare()
            except RunError:
                if new:
                    begun.unlink()
                raise
            yield

    def _compare(self) -> None:
        """Raise RunError where a shard that was begun is of another prediction."""
        for path in sorted(self.meeting.glob("*.begun.json")):
            try:
                theirs = json.loads(path.read_text(encoding="utf-8"))
            except FileNotFoundError:
                continue  # refused itself just now
            differ = [key for key, mine in self.facts.items() if theirs.get(key) != mine]
            if differ:
                other = [f"{key} {theirs.get(key)!r} there, {self.facts[key]!r} here" for key in differ]
                raise RunError(
                    f"{path.name.split('.')[0]} in {self.meeting} is a shard of another prediction "
                    f"({'; '.join(other)}); give all shards the same model, files and settings, or another --out"
                )

    @property
    def is_done(self) -> bool:
        """Tell whether this shard has answered all of its files."""
        return self._done(self.shard.number).is_file()

    def finish(self, facts: Facts) -> None:
        """Note that all of this shard's files are answered, and how."""
        write_json(self._done(self.shard.number), {"shard": str(self.shard), **facts})

    def missing(self) -> list[str]:
        """Return the shards that are not done, as --shard takes them; none where all are merged and the folder is gone."""
        try:
            there = {path.name for path in self.meeting.iterdir()}
        except FileNotFoundError:
            return []
        numbers = range(1, self.shard.count + 1)
        return [f"{n}/{self.shard.count}" for n in numbers if self._done(n).name not in there]

    @contextmanager
    def merging(self) -> Iterator[bool]:
        """Tell the block whether it is this process's to merge: one of all, and none once it was done."""
        with held(self.meeting / "merge.lock") as mine:
            yield mine and self.meeting.is_dir()

    def collected(self, source: str) -> tuple[dict[str, Answer], dict[str, list[Row]], list[Facts]]:
        """Return the answers of all shards, their slides' tiles, and what each noted when it was done."""
        answers: dict[str, Answer] = {}
        slides: dict[str, list[Row]] = {}
        notes = []
        for number in range(1, self.shard.count + 1):
            folder = self.meeting / Shard(number, self.shard.count).name
            theirs = read_answers(folder / PARTIAL, source)
            answers |= theirs
            slides |= TileTable(folder, theirs).slides()
            notes.append(json.loads(self._done(number).read_text(encoding="utf-8")))
        return answers, slides, notes

    def remove(self) -> None:
        """Delete it all, in one step for the others: everything is in the tables."""
        aside = self.meeting.with_name(f".{SHARDS}-merged")
        shutil.rmtree(aside, ignore_errors=True)
        self.meeting.rename(aside)
        shutil.rmtree(aside, ignore_errors=True)

    def _done(self, number: int) -> Path:
        return self.meeting / f"{Shard(number, self.shard.count).name}.done.json"
