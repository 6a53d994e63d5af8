"""Images into answers: decoded on all cores ahead of the network, which is at one batch while the last is answered."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager

import numpy as np

from nmevision.ahead import ahead
from nmevision.cores import usable_cores
from nmevision.data.images import read_image
from nmevision.errors import ImageError
from nmevision.inference.engine import Engine
from nmevision.inference.journal import UNUSUAL, Answer, error_answer
from nmevision.manifest import Sample
from nmevision.networks.answers import AnswerMaker
from nmevision.networks.bundle import BundleInfo
from nmevision.predictions import DECIMALS, NOVELTY

Decoded = tuple[Sample, np.ndarray | None, str]
"""A sample, its frame (uint8 height x width x 3; None where unreadable) and what there is to say about it."""
Outputs = dict[str, np.ndarray]
DECODED_BYTES = 16 << 20
"""Frames that are decoded before the network takes them, which is made ready meanwhile: a hundred of 224 x 224."""


class ImageReader:
    """Reads single images for one bundle.

    max_pixels: larger images become an error.
    """

    def __init__(self, info: BundleInfo, maker: AnswerMaker, max_pixels: int) -> None:
        self.info = info
        self.maker = maker
        self.max_pixels = max_pixels

    def decoded(self, samples: Iterable[Sample]) -> AbstractContextManager[Iterator[Decoded]]:
        """Give every sample decoded, in order; the first are begun at once, and only so many are in memory."""
        frame = self.info.preprocessing
        most = max(2 * usable_cores(), DECODED_BYTES // (3 * frame.height * frame.width))
        return ahead(self._decode, samples, usable_cores(), most)

    def answers(self, decoded: Iterator[Decoded], engine: Engine) -> Iterator[list[Answer]]:
        """Yield the answers of all that is decoded, in order, batch by batch."""
        normalise = self.info.preprocessing.normalise

        def compute(batch: list[Decoded]) -> tuple[list[Decoded], Outputs | ImageError]:
            arrays = [normalise(frame) for _, frame, _ in batch if frame is not None]
            try:
                return batch, engine.outputs(arrays) if arrays else {}
            except ImageError as problem:
                return batch, problem

        with ahead(compute, _batches(decoded, engine.batch_size), threads=1, most=2) as computed:
            for batch, outputs in computed:
                yield self._batch_answers(batch, outputs)

    def _decode(self, sample: Sample) -> Decoded:
        """Return one sample's frame, or what is wrong with its file."""
        info = self.info
        try:
            image = read_image(sample.path, self.max_pixels, info.preprocessing.shrink)
        except ImageError as problem:
            return sample, None, str(problem)
        notes = list(image.notes)
        if sample.modality and sample.modality != info.modality:
            notes.append(f"the manifest says {sample.modality}, the model was trained on {info.modality}")
        return sample, info.preprocessing.frame(image.pixels), "; ".join(notes)

    def _batch_answers(self, batch: list[Decoded], outputs: Outputs | ImageError) -> list[Answer]:
        """Return the answers of one batch in order. outputs: of its readable images, or why there are none."""
        if isinstance(outputs, ImageError):
            return [
                error_answer(sample.id, message if frame is None else str(outputs))
                for sample, frame, message in batch
            ]
        columns = self.maker.from_outputs(outputs) if outputs else {}
        rows = iter(np.column_stack(list(columns.values())).tolist()) if columns else iter([])
        return [
            error_answer(sample.id, message)
            if frame is None
            else _answer(sample.id, message, dict(zip(columns, next(rows), strict=True)))
            for sample, frame, message in batch
        ]


def _answer(identity: str, message: str, numbers: dict[str, float]) -> Answer:
    """Return one image's answer from the numbers of its columns."""
    values = {name: round(number, DECIMALS) for name, number in numbers.items()}
    if any(map(math.isnan, values.values())):
        return error_answer(identity, "the network's answer is not a number")
    message = "; ".join(filter(None, [message, UNUSUAL if values[NOVELTY] >= 1 else ""]))
    return {"id": identity, "status": "flagged" if message else "ok", "message": message, "values": values}


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
