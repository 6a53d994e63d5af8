"""A trained bundle over a folder or a manifest: one row per file, whatever the files are like."""

from __future__ import annotations

import importlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nmevision.cores import usable_cores
from nmevision.data.images import DEFAULT_MAX_PIXELS, read_image
from nmevision.data.slides import is_slide
from nmevision.errors import ImageError
from nmevision.inference.engine import EngineChoice, engine_for
from nmevision.inference.inputs import Inputs, inputs_from
from nmevision.inference.journal import IN_8_BITS, UNUSUAL, Answer, Journal, error_answer
from nmevision.inference.outputs import Timing, write_outputs
from nmevision.inference.slides import SlideOptions, SlideReader, Watch
from nmevision.inference.tile_table import Row, TileTable, write_tiles
from nmevision.manifest import Manifest, Sample
from nmevision.networks.answers import AnswerMaker
from nmevision.networks.bundle import Bundle, open_bundle
from nmevision.networks.sets import with_sets
from nmevision.predictions import DECIMALS, NOVELTY, PredictionTable, table_of
from nmevision.progress import progress_bar

Decoded = tuple[Sample, np.ndarray | None, str]
"""A sample, its network input (None where unreadable) and what there is to say about it."""


@dataclass(frozen=True)
class Answered:
    """Answers by sample id; how many samples were read just now, and in how many seconds."""

    answers: dict[str, Answer]
    images: int
    seconds: float


class Predictor:
    """Runs one bundle.

    >>> table = Predictor.load("models/my-model").predict("biopsies")  # doctest: +SKIP
    """

    def __init__(
        self,
        bundle: Bundle,
        batch_size: int | None = None,
        max_pixels: int = DEFAULT_MAX_PIXELS,
        engine: EngineChoice = "auto",
        int8: bool = False,
    ) -> None:
        self.bundle = bundle
        self.max_pixels = max_pixels
        self.engine = engine_for(bundle, engine, batch_size, int8)
        self.maker = AnswerMaker(bundle)

    @classmethod
    def load(
        cls,
        folder: Path | str,
        batch_size: int | None = None,
        max_pixels: int = DEFAULT_MAX_PIXELS,
        engine: EngineChoice = "auto",
        int8: bool = False,
    ) -> Predictor:
        """Open the bundle in `folder`; raise BundleError where it is missing, altered or too new.

        batch_size: images per call of the network; chosen for the machine by default.
        max_pixels: larger images become an error row.
        engine: what runs the network; the fastest sound one by default (`nmevision.inference.engine`).
        int8: use the network in 8 bits; raises BundleError where the bundle has none.
        """
        opened = open_bundle(Path(folder))
        # what writes the tables is loaded while the network is compiled
        threading.Thread(target=importlib.import_module, args=["pandas"], daemon=True).start()
        return cls(opened, batch_size, max_pixels, engine, int8)

    @property
    def source(self) -> str:
        """Return what the answers come from: the bundle's hash, and IN_8_BITS behind it where it runs so."""
        return self.bundle.hash + (IN_8_BITS if self.engine.precision == "int8" else "")

    def predict(
        self,
        where: Path | str | Manifest | Inputs,
        out: Path | str | None = None,
        *,
        resume: bool = False,
        split: str | None = None,
        slides: SlideOptions | None = None,
        watch: Watch | None = None,
    ) -> PredictionTable:
        """Return one row per file of a folder or manifest, in a stable order.

        out: also write predictions.csv, cases.csv and run.json there, and keep what is done so far,
            so that `resume` continues after an interruption.
            Whole slides add tiles.csv and, for QuPath, geojson/.
        split: only the manifest's rows of this split.
        slides: how whole slides are read.
        watch: told how far each whole slide is; what it raises ends the prediction.
        Raises DataError where there is nothing to predict on, RunError where `out` is taken.
        """
        inputs = where if isinstance(where, Inputs) else inputs_from(where, split)
        slides = slides or SlideOptions()
        if out is None:
            return self.table(inputs, self.answer(inputs, slides, watch=watch).answers)
        journal = Journal(Path(out), self.source, resume)
        tiles = TileTable(Path(out), frozenset(journal.answers))
        found = self.answer(inputs, slides, journal, tiles, watch)
        timing = Timing(found.seconds, found.images, self.engine)
        table = self.write(Path(out), inputs, found.answers, tiles.slides(), timing)
        tiles.remove()
        journal.remove()
        return table

    def answer(
        self,
        inputs: Inputs,
        slides: SlideOptions,
        journal: Journal | None = None,
        tiles: TileTable | None = None,
        watch: Watch | None = None,
    ) -> Answered:
        """Return an answer for every sample; those that the journal holds already are not asked again.

        journal, tiles: where everything is kept as it comes; they stay, for whoever writes the tables.
        """
        known = journal.answers if journal is not None else {}
        todo = [sample for sample in inputs.samples if sample.id not in known]
        whole = [sample for sample in todo if is_slide(sample.path, self.bundle.info.modality)]
        apart = {sample.id for sample in whole}
        images = [sample for sample in todo if sample.id not in apart]
        started, answers = time.perf_counter(), dict(known)
        try:
            with progress_bar("predicting", len(inputs.samples)) as step:
                self._answer(images, answers, journal, step)
                self._answer_slides(whole, answers, journal, step, tiles, slides, watch)
        finally:
            if journal is not None:
                journal.close()
        return Answered(answers, len(todo), time.perf_counter() - started)

    def write(
        self,
        out: Path,
        inputs: Inputs,
        answers: Mapping[str, Answer],
        tiles: Mapping[str, list[Row]],
        timing: Timing,
    ) -> PredictionTable:
        """Write all tables to `out`, in the order of the inputs, and return the predictions.

        tiles: of each whole slide, by its id.
        """
        table = self.table(inputs, answers)
        in_order = {sample.id: tiles[sample.id] for sample in inputs.samples if sample.id in tiles}
        write_tiles(out, in_order, self.bundle.info.taxonomy.keys)
        write_outputs(out, table, self.bundle, inputs, timing)
        return table

    def _answer(
        self,
        todo: list[Sample],
        answers: dict[str, Answer],
        journal: Journal | None,
        step: Callable[[int], None],
    ) -> None:
        """Fill `answers` batch by batch; decoding runs ahead of the network on all cores."""
        step(len(answers))
        for batch in _batches(self._decoded(todo), self.engine.batch_size):
            found = self._answer_batch(batch)
            answers.update((answer["id"], answer) for answer in found)
            if journal is not None:
                journal.add(found)
            step(len(answers))

    def _answer_slides(
        self,
        todo: list[Sample],
        answers: dict[str, Answer],
        journal: Journal | None,
        step: Callable[[int], None],
        tiles: TileTable | None,
        options: SlideOptions,
        watch: Watch | None,
    ) -> None:
        """Fill `answers` slide by slide; one that is interrupted is begun again by the next run."""
        reader = SlideReader(self.bundle.info, self.engine, self.maker, options)
        try:
            for sample in todo:
                answer, rows = reader.answer(sample, watch)
                answers[sample.id] = answer
                if tiles is not None:
                    tiles.add(sample.id, rows)
                if journal is not None:
                    journal.add([answer])
                step(len(answers))
        finally:
            reader.close()

    def _decoded(self, samples: list[Sample]) -> Iterator[Decoded]:
        """Yield every sample decoded, in order; only a few batches are in memory at a time."""
        ahead = max(16, 2 * self.engine.batch_size)
        pending: deque[Future[Decoded]] = deque()
        with ThreadPoolExecutor(usable_cores(), thread_name_prefix="decode") as pool:
            try:
                for sample in samples:
                    pending.append(pool.submit(self._decode, sample))
                    if len(pending) >= ahead:
                        yield pending.popleft().result()
                while pending:
                    yield pending.popleft().result()
            finally:
                for future in pending:
                    future.cancel()

    def _decode(self, sample: Sample) -> Decoded:
        """Return one sample's network input, or what is wrong with its file."""
        info = self.bundle.info
        try:
            image = read_image(sample.path, self.max_pixels, info.preprocessing.shrink)
        except ImageError as problem:
            return sample, None, str(problem)
        notes = list(image.notes)
        if sample.modality and sample.modality != info.modality:
            notes.append(f"the manifest says {sample.modality}, the model was trained on {info.modality}")
        return sample, info.preprocessing(image.pixels), "; ".join(notes)

    def _answer_batch(self, batch: list[Decoded]) -> list[Answer]:
        """Return the answers of one batch in order."""
        arrays = [array for _, array, _ in batch if array is not None]
        try:
            outputs = self.engine.outputs(arrays) if arrays else {}
        except ImageError as problem:
            return [
                error_answer(sample.id, message if array is None else str(problem))
                for sample, array, message in batch
            ]
        columns = self.maker.from_outputs(outputs) if arrays else {}
        place = iter(range(len(arrays)))
        found = []
        for sample, array, message in batch:
            if array is None:
                found.append(error_answer(sample.id, message))
                continue
            i = next(place)
            values = {name: round(float(numbers[i]), DECIMALS) for name, numbers in columns.items()}
            if np.isnan(list(values.values())).any():
                found.append(error_answer(sample.id, "the network's answer is not a number"))
                continue
            message = "; ".join(filter(None, [message, UNUSUAL if values[NOVELTY] >= 1 else ""]))
            status = "flagged" if message else "ok"
            found.append({"id": sample.id, "status": status, "message": message, "values": values})
        return found

    def table(self, inputs: Inputs, answers: Mapping[str, Answer]) -> PredictionTable:
        """Return the answers as a table in the order of the inputs."""
        import pandas as pd

        rows = [answers[sample.id] for sample in inputs.samples]
        frame = pd.DataFrame(
            {
                "id": [sample.id for sample in inputs.samples],
                "path": inputs.names,
                "status": [row["status"] for row in rows],
                "message": [row["message"] for row in rows],
            }
        )
        if inputs.has_patients:
            frame["patient_id"] = [sample.patient_id for sample in inputs.samples]
        if inputs.has_sources:
            frame["source"] = [sample.source for sample in inputs.samples]
        taxonomy = self.bundle.info.taxonomy
        table = table_of(frame, [row["values"] for row in rows], taxonomy.keys, taxonomy.group_of)
        sets, modality = self.bundle.info.sets, self.bundle.info.modality
        slides = [one.id for one in inputs.samples if is_slide(one.path, modality)] if sets else []
        return with_sets(table, sets, slides)


def _batches(items: Iterable[Decoded], size: int) -> Iterator[list[Decoded]]:
    """Yield lists with `size` readable items each (the last with fewer), unreadable ones between them."""
    batch: list[Decoded] = []
    readable = 0
    for item in items:
        batch.append(item)
        readable += item[1] is not None
        if readable == size:
            yield batch
            batch, readable = [], 0
    if batch:
        yield batch
