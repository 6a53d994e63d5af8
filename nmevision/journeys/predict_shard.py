"""One of several processes over the same images: it answers its share, and the last to finish merges all of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from nmevision.errors import RunError
from nmevision.inference.inputs import Inputs
from nmevision.inference.journal import PARTIAL, Journal
from nmevision.inference.outputs import FACTS, PREDICTIONS, Timing
from nmevision.inference.predictor import Predictor
from nmevision.inference.shard_folder import ShardFolder
from nmevision.inference.shards import Shard
from nmevision.inference.slides import SlideOptions
from nmevision.inference.tile_table import TileTable
from nmevision.predictions import PredictionTable, read_predictions

Draw = Callable[[Inputs, PredictionTable], None]


def predict_shard(
    predictor: Predictor,
    inputs: Inputs,
    out: Path,
    shard: Shard,
    resume: bool,
    slides: SlideOptions,
    draw: Draw = lambda inputs, table: None,
) -> PredictionTable | None:
    """Answer one share of the inputs; return the table of all where this process merges, else None.

    The tables are those of one process to the last letter with OpenVINO and ONNX Runtime, which answer an image alike in
    every batch; torch, on a GPU, may differ in the last digits. A shard that is done stays done: files that could not be
    read are tried again after the merge, by one process (`--shard 1/1 --resume`).
    draw: called with the share and its answers before it is called done.
    Raises RunError where `out` is taken or the shards do not fit together.
    """
    facts = {
        "bundle": predictor.source,
        "input": inputs.fingerprint,
        "files": len(inputs.samples),
        "max_pixels": predictor.max_pixels,
        "slides": asdict(slides),
    }
    folder = ShardFolder(out, shard, facts)
    _refuse_taken(out, resume)
    if not folder.meeting.is_dir() and (out / PREDICTIONS).is_file():
        return _merged(predictor, inputs, out)
    print(f"shard {shard} by {shard.said_by}; all files in one process with --shard 1/1")
    with folder.running(resume):
        if not folder.is_done:
            if (out / FACTS).is_file():  # the others merged while this one was started again
                folder.remove()
                return _merged(predictor, inputs, out)
            _answer(predictor, shard.of(inputs), folder, resume, slides, draw)
        return _merge(predictor, inputs, out, folder)


def _refuse_taken(out: Path, resume: bool) -> None:
    """Raise RunError where `out` holds what one process left there."""
    if (out / PARTIAL).exists():
        raise RunError(
            f"{out} holds a prediction that was begun in one process; continue it with --resume --shard 1/1, or "
            "choose another --out"
        )
    if (out / PREDICTIONS).exists() and not resume:
        raise RunError(f"{out} holds predictions already; continue it with --resume, or choose another --out")


def _merged(predictor: Predictor, inputs: Inputs, out: Path) -> PredictionTable:
    """Return the predictions that are there already; raise RunError where they are of another model or other files."""
    Journal(out, predictor.source, resume=True)
    facts = json.loads((out / FACTS).read_text(encoding="utf-8"))
    if facts["input"]["fingerprint"] != inputs.fingerprint:
        raise RunError(
            f"{out} holds predictions of other files; add these to them in one process (--resume --shard 1/1), or "
            "choose another --out"
        )
    print(f"{out.resolve()}: all shards are merged already")
    return read_predictions(out / PREDICTIONS)


def _answer(
    predictor: Predictor, mine: Inputs, folder: ShardFolder, resume: bool, slides: SlideOptions, draw: Draw
) -> None:
    """Answer the share and note that it is done."""
    journal = Journal(folder.journals, predictor.source, resume)
    tiles = TileTable(folder.journals, frozenset(journal.answers))
    found = predictor.answer(mine, slides, journal, tiles)
    table = predictor.table(mine, found.answers)
    draw(mine, table)
    engine = predictor.engine
    folder.finish(
        {
            "seconds": round(found.seconds, 3),
            "images": found.images,
            "engine": engine.name,
            "precision": engine.precision,
            "device": engine.device,
        }
    )
    counts = table.counts()
    print(
        f"shard {folder.shard} is done: {len(table.frame)} files: {counts['ok']} ok, {counts['flagged']} flagged, "
        f"{counts['error']} errors"
    )


def _merge(predictor: Predictor, inputs: Inputs, out: Path, folder: ShardFolder) -> PredictionTable | None:
    """Write the tables of all shards where all are done and no other process does; return the predictions."""
    missing = folder.missing()
    if missing:
        print(
            f"not done yet: {', '.join(missing)}; the last to finish merges. One that was stopped is continued with "
            "--resume; the answers of the others are kept"
        )
        return None
    with folder.merging() as mine:
        if not mine:
            print("another shard merges")
            return None
        answers, tiles, notes = folder.collected(predictor.source)
        lost = [sample.id for sample in inputs.samples if sample.id not in answers]
        if lost:
            raise RunError(
                f"{folder.meeting}: the journals lack {len(lost)} of {len(inputs.samples)} files, such as {lost[0]!r}, "
                "though all shards are done; delete the folder and start again"
            )
        seconds, images = (sum(note[key] for note in notes) for key in ("seconds", "images"))
        timing = Timing(seconds, images, predictor.engine, tuple(notes))
        table = predictor.write(out, inputs, answers, tiles, timing)
        folder.remove()
    kinds = {(note["engine"], note["precision"], note["device"]) for note in notes}
    if len(kinds) > 1:
        told = ", ".join(" ".join(kind) for kind in sorted(kinds))
        print(f"the shards did not run alike ({told}): the last digits of their answers differ")
    print(f"{folder.shard.count} shards merged")
    return table
