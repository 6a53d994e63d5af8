"""A trained bundle over a folder or a manifest: one row per file, whatever the files are like."""

from __future__ import annotations

import importlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from nmevision.data.images import DEFAULT_MAX_PIXELS
from nmevision.data.slides import is_slide
from nmevision.inference.engine import Engine, EngineChoice, engine_for
from nmevision.inference.images import ImageReader
from nmevision.inference.inputs import Inputs, inputs_from
from nmevision.inference.journal import IN_8_BITS, Answer, Journal
from nmevision.inference.outputs import Timing, write_outputs
from nmevision.inference.slides import SlideOptions, SlideReader, Watch
from nmevision.inference.tile_table import Row, TileTable, write_tiles
from nmevision.manifest import Manifest, Sample
from nmevision.networks.answers import AnswerMaker
from nmevision.networks.bundle import Bundle, open_bundle
from nmevision.networks.sets import with_sets
from nmevision.predictions import PredictionTable, table_of
from nmevision.progress import progress_bar


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
        self._int8 = int8
        self._engine = ThreadPoolExecutor(1, "engine").submit(engine_for, bundle, engine, batch_size, int8)
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

        The network is made ready meanwhile: what cannot run it is raised by `engine`, or by the first prediction.

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
    def engine(self) -> Engine:
        """Return what runs the network, once it is ready; raise BundleError where nothing can as it was asked for."""
        return self._engine.result()

    def wait_until_ready(self) -> None:
        """Return once the network can be run; raise BundleError where it never can."""
        self._engine.result()

    @property
    def source(self) -> str:
        """Return what the answers come from: the bundle's hash, and IN_8_BITS behind it where it runs so."""
        return self.bundle.hash + (IN_8_BITS if self._int8 else "")

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
        reader = ImageReader(self.bundle.info, self.maker, self.max_pixels)
        try:
            with reader.decoded(images) as decoded:
                found = reader.answers(decoded, self.engine)
                with progress_bar("predicting", len(inputs.samples)) as step:
                    self._keep(found, answers, journal, step)
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

    def _keep(
        self,
        found: Iterator[list[Answer]],
        answers: dict[str, Answer],
        journal: Journal | None,
        step: Callable[[int], None],
    ) -> None:
        """Fill `answers` batch by batch."""
        step(len(answers))
        for batch in found:
            answers.update((answer["id"], answer) for answer in batch)
            if journal is not None:
                journal.add(batch)
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
        if not todo:
            return
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
