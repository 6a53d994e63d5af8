"""The network in 8 bits at the end of a training: calibrated, its loss measured on validation, kept or refused."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Subset

from nmevision.config import ExperimentConfig
from nmevision.errors import ConfigError, DataError
from nmevision.evaluation.clustered import patient_index
from nmevision.evaluation.patient_bootstrap import patient_bootstrap
from nmevision.evaluation.weighted import Statistic, auroc_of, difference_of, estimate, macro_of
from nmevision.grades import UNKNOWN
from nmevision.networks.answers import AnswerMaker
from nmevision.networks.bundle import Bundle, BundleInfo
from nmevision.networks.graph import (
    GRAPH,
    INT8_GRAPH,
    MOST_LOSS,
    AurocLoss,
    Drift,
    Int8Info,
    OpenVinoRuntime,
    mean_outputs,
)
from nmevision.networks.int8 import pattern_logits, write_int8_graph
from nmevision.predictions import DECIMALS, PROBABILITY_PREFIX
from nmevision.training.loaders import plain_loader, resolve_workers
from nmevision.training.material import Samples, image_set, some
from nmevision.training.preparation import Prepared
from nmevision.training.starting import StartingNetwork

CALIBRATED = 128
"""Training images, evenly taken, whose activations set the ranges."""
BATCH = 32
RESAMPLES = 2000
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Known:
    """Validation images with a diagnosis: a loader, their positions in the taxonomy and their patients, N each."""

    images: Any
    labels: NDArray[np.int64]
    patients: NDArray[np.object_]


def require_quantiser() -> None:
    """Raise ConfigError where what quantises is not installed; asked before a training, not after it."""
    if find_spec("onnxruntime") is None:
        raise ConfigError(
            "model.int8=true needs onnxruntime, which is not installed: `pip install onnxruntime`, or leave it out"
        )


def int8_adder(
    config: ExperimentConfig, network: StartingNetwork, prepared: Prepared
) -> Callable[[Bundle], Int8Info | None] | None:
    """Return what adds the graph in 8 bits to a bundle that is being saved; None where it was not asked for."""
    if not config.model.int8:
        return None
    labels = prepared.targets("val")[:, 0]
    known = np.flatnonzero(labels != UNKNOWN)
    images = Subset(image_set(config, network, prepared, "val", vary=False), known.tolist())
    loader = plain_loader(images, BATCH, resolve_workers(config.data.workers))
    patients = prepared.part("val").cases.to_numpy(object)[known]
    calibration = some(image_set(config, network, prepared, "train", vary=False), CALIBRATED)
    return partial(add_int8, calibration=calibration, validation=Known(loader, labels[known], patients))


def add_int8(bundle: Bundle, calibration: Samples, validation: Known) -> Int8Info | None:
    """Write the graph in 8 bits into a bundle that has its portable graph, and return what it loses.

    calibration: training images as prediction prepares them.
    Returns None, after a line that says why, where it loses more than MOST_LOSS, where validation cannot tell, or
    where it cannot be made: the model is saved without it.
    """
    target = bundle.folder / INT8_GRAPH
    try:
        images = (calibration[i][0].numpy() for i in range(len(calibration)))
        write_int8_graph(bundle.folder / GRAPH, target, images)
        found = _measured(bundle, len(calibration), validation)
    except Exception as problem:  # of the quantiser, of OpenVINO: a trained model is saved all the same
        reason = " ".join(str(problem).split())[:200] or type(problem).__name__
    else:
        worst = max(found.auroc, key=lambda one: one.loss)
        told = f"{worst.float32:.3f} to {worst.int8:.3f} ({worst.of}) on {found.images} validation images"
        if worst.loss <= MOST_LOSS:
            print(f"{INT8_GRAPH} kept for predict --int8: AUROC {told}")
            return found
        reason = f"AUROC falls from {told}, by more than {MOST_LOSS:g}"
    target.unlink(missing_ok=True)
    print(f"no {INT8_GRAPH}: {reason}; the model is saved without it", file=sys.stderr)
    return None


def _measured(bundle: Bundle, calibrated: int, validation: Known) -> Int8Info:
    """Return what the two graphs of the bundle say of the validation images, compared."""
    info, labels, patients = bundle.info, validation.labels, validation.patients
    frame, views = info.preprocessing, info.network.views
    shape = views, 3, frame.height, frame.width
    exact = OpenVinoRuntime(bundle.folder / GRAPH, shape, "float32")
    small = OpenVinoRuntime(bundle.folder / INT8_GRAPH, shape, "int8")
    _refuse_one_class(info, labels)
    maker, names = AnswerMaker(bundle), [PROBABILITY_PREFIX + key for key in info.taxonomy.keys]
    parts: tuple[list[Floats], list[Floats]] = ([], [])
    for images, _ in validation.images:
        for runtime, part in zip((exact, small), parts, strict=True):
            columns = maker.from_outputs(mean_outputs(runtime, list(images.numpy()), views))
            part.append(np.column_stack([columns[name] for name in names]))
    ours, theirs = (np.concatenate(part).round(DECIMALS) for part in parts)  # as predictions.csv has them
    off = np.abs(ours - theirs)
    return Int8Info(
        calibrated=calibrated,
        images=len(labels),
        patients=len(set(patients)),
        auroc=auroc_losses(info, ours, theirs, labels, patients),
        change=Drift(largest=float(off.max()), mean=float(off.mean())),
        same_top=float((ours.argmax(axis=1) == theirs.argmax(axis=1)).mean()),
        patterns=tuple(map(tuple, pattern_logits(small, views, frame.height, frame.width).tolist())),
    )


def _refuse_one_class(info: BundleInfo, labels: NDArray[np.int64]) -> None:
    """Raise DataError where no AUROC can be computed."""
    there = [info.taxonomy.keys[k] for k in np.unique(labels)]
    if len(there) < 2:
        raise DataError(
            f"its loss of AUROC needs validation images of two diagnoses; there are {len(labels)} images of "
            f"{there[0] if there else 'none'}"
        )


def auroc_losses(
    info: BundleInfo,
    exact: Floats,
    small: Floats,
    labels: NDArray[np.int64],
    patients: NDArray[np.object_],
) -> tuple[AurocLoss, ...]:
    """Return the loss of the mean over the diagnoses at hand and, where there are images of it, of the positive.

    exact, small: N x D probabilities in float32 and in 8 bits; labels: N positions of two diagnoses or more.
    The interval is a bootstrap of whole patients, the same ones for both.
    """
    keys, index = info.taxonomy.keys, patient_index(patients, len(labels))
    judged = np.unique(labels)

    def mean(p: Floats) -> Statistic:
        return macro_of([auroc_of(labels == k, p[:, k]) for k in judged])

    found = [_loss(f"mean of {len(judged)} diagnoses", len(labels), mean(exact), mean(small), index)]
    if info.positive is not None:
        members = [keys.index(key) for key in info.taxonomy.members_of(info.positive)]
        truth = np.isin(labels, members)
        if truth.any() and not truth.all():
            ours, theirs = (auroc_of(truth, p[:, members].sum(axis=1)) for p in (exact, small))
            found.append(_loss(info.positive, int(truth.sum()), ours, theirs, index))
    return tuple(found)


def _loss(
    of: str, positives: int, exact: Statistic, small: Statistic, patients: NDArray[np.intp]
) -> AurocLoss:
    n = len(patients)
    interval = patient_bootstrap({of: difference_of(exact, small)}, patients, RESAMPLES, seed=0)[of]
    there = not np.isnan(interval.low)
    return AurocLoss(
        of=of,
        positives=positives,
        float32=estimate(exact, n),
        int8=estimate(small, n),
        low=interval.low if there else None,
        high=interval.high if there else None,
        method=interval.method if there else f"no interval: {interval.reason}",
    )
