"""Which sample comes when: the same in any number of processes, and after any resume."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from bad_files import write_good_images
from hypothesis import given, settings
from hypothesis import strategies as st

from nmevision.data.dataset import ImageDataset
from nmevision.preprocessing import Preprocessing
from nmevision.training.loaders import (
    LESS_URGENT,
    EpochSampler,
    plain_loader,
    resolve_workers,
    training_loader,
)

RECIPE = Preprocessing(height=32, width=32, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))


def epoch(number: int = 0, **options: Any) -> list[list[tuple[int, int]]]:
    sampler = EpochSampler(**{"n": 50, "batch": 8, "seed": 3} | options)
    sampler.set_epoch(number)
    batches = list(sampler)
    assert len(batches) == len(sampler)
    return batches


@settings(deadline=None)
@given(st.integers(4, 60), st.integers(4, 16), st.integers(0, 9), st.booleans())
def test_any_number_of_processes_sees_the_same_steps(n: int, batch: int, seed: int, weighted: bool) -> None:
    batch -= batch % 4
    weights = np.linspace(1, 2, n) if weighted else None
    if batch > n:
        batch = n - n % 4
    alone = epoch(n=n, batch=batch, seed=seed, weights=weights)
    for processes in (2, 4):
        ranks = [
            epoch(n=n, batch=batch, seed=seed, weights=weights, rank=rank, processes=processes)
            for rank in range(processes)
        ]
        joined = [[key for mine in ranks for key in mine[step]] for step in range(len(alone))]
        assert joined == alone


@settings(deadline=None)
@given(st.integers(1, 70), st.integers(1, 70), st.integers(1, 4))
def test_without_weights_no_sample_comes_twice(n: int, batch: int, processes: int) -> None:
    if n < processes:
        return  # fewer images than processes: some must repeat
    ranks = [epoch(n=n, batch=batch, rank=rank, processes=processes) for rank in range(processes)]
    seen = Counter(index for mine in ranks for step in mine for index, _ in step)
    assert max(seen.values()) == 1
    step = sum(len(mine[0]) for mine in ranks)
    assert len({len(step) for mine in ranks for step in mine}) == 1  # every process the same share
    assert step <= max(batch, processes)
    assert n - len(seen) < step  # only an incomplete last batch is left out


def test_fewer_images_than_processes_still_give_every_process_one() -> None:
    ranks = [epoch(n=2, batch=8, rank=rank, processes=4) for rank in range(4)]
    assert [len(mine) for mine in ranks] == [1] * 4
    assert {index for mine in ranks for index, _ in mine[0]} == {0, 1}


def test_the_same_seed_and_epoch_give_the_same_order_and_variations() -> None:
    assert epoch(2) == epoch(2)
    assert epoch(2) != epoch(3)
    assert epoch(2) != epoch(2, seed=4)
    sampler = EpochSampler(50, 8, 3)
    list(sampler)
    sampler.set_epoch(2)  # as after a resume
    assert list(sampler) == epoch(2)


def test_variations_differ_between_epochs_and_samples() -> None:
    seeds = [seed for number in range(3) for batch in epoch(number) for _, seed in batch]
    assert len(set(seeds)) == len(seeds)


def test_over_many_epochs_every_sample_comes_alike() -> None:
    seen = Counter(index for number in range(300) for batch in epoch(number) for index, _ in batch)
    assert len(seen) == 50
    assert min(seen.values()) > 0.85 * 300 * 48 / 50


def test_balanced_sampling_draws_each_class_alike() -> None:
    labels = np.array([0] * 40 + [1] * 8 + [2] * 2)
    weights = (1 / np.bincount(labels))[labels]
    drawn = [
        labels[index]
        for number in range(200)
        for batch in epoch(number, weights=weights)
        for index, _ in batch
    ]
    shares = np.bincount(drawn) / len(drawn)
    np.testing.assert_allclose(shares, 1 / 3, atol=0.02)  # 9600 draws: 4 standard errors are 0.019


@pytest.fixture
def data(tmp_path: Path) -> ImageDataset:
    paths = write_good_images(tmp_path, 20)
    return ImageDataset(paths, np.arange(20)[:, None], RECIPE)


def labels(loader: Any) -> list[int]:
    return torch.cat([batch for _, batch in loader])[:, 0].tolist()


def test_the_plain_loader_gives_each_once_in_order(data: ImageDataset) -> None:
    assert labels(plain_loader(data, 6, 0)) == list(range(20))
    parts = [labels(plain_loader(data, 6, 0, rank, 3)) for rank in range(3)]
    assert parts[1] == list(range(1, 20, 3))
    assert sorted(label for part in parts for label in part) == list(range(20))


def test_the_training_loader_follows_the_sampler(data: ImageDataset) -> None:
    data.augment = lambda pixels, seed: np.full((32, 32, 3), seed % 256, np.uint8)
    sampler = EpochSampler(20, 8, 1)
    batches = list(training_loader(data, sampler, 0))
    for (images, found), wanted in zip(batches, sampler, strict=True):
        assert found[:, 0].tolist() == [index for index, _ in wanted]
        for image, (_, seed) in zip(images, wanted, strict=True):
            expected = RECIPE.normalise(np.full((32, 32, 3), seed % 256, np.uint8))
            np.testing.assert_array_equal(image.numpy(), expected)


@pytest.mark.slow
def test_worker_processes_change_nothing(data: ImageDataset) -> None:
    one, two = (list(plain_loader(data, 6, workers)) for workers in (0, 2))
    for (images, found), (again, same) in zip(one, two, strict=True):
        assert torch.equal(images, again)
        assert torch.equal(found, same)


def test_resolve_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    assert resolve_workers(0) == 0
    assert resolve_workers(5, processes=4) == 5
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(12)), raising=False)
    assert resolve_workers(-1) == 8
    assert resolve_workers(-1, processes=3) == 4
    assert resolve_workers(-1, processes=40) == 1


class Urgency(torch.utils.data.Dataset[Any]):
    """Tells the niceness of the process that reads it."""

    def __len__(self) -> int:
        return 16

    def __getitem__(self, key: int) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.tensor(float(os.nice(0))), torch.tensor(key)


@pytest.mark.skipif(torch.cuda.is_available(), reason="with a GPU decoding is all that the cores do")
def test_decoding_gives_way_to_the_network() -> None:
    own = os.nice(0)
    (found, _), *_ = plain_loader(Urgency(), 16, workers=1)  # type: ignore[arg-type]
    assert set(found.tolist()) == {min(19, own + LESS_URGENT)}
    assert os.nice(0) == own
