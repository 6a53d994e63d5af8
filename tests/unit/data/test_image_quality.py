"""Pictures made worse are told from good ones, each by the fault that was planted."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from nmevision.data.image_quality import MEASURES, blur, faults, grey_of, measure

Grey = npt.NDArray[np.uint8]


def good(height: int = 300, width: int = 400) -> Grey:
    coarse = np.random.default_rng(0).integers(40, 220, (height // 3, width // 3), dtype=np.uint8)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


WORSE = {
    "tiny": good(63, 120),
    "odd_aspect": good(120, 400),
    "dark": (good() * 0.25).astype(np.uint8),
    "burnt_out": (240 + good() * 0.05).astype(np.uint8),
    "blank": np.full((300, 400), 200, np.uint8),
    "blurred": np.asarray(cv2.GaussianBlur(good(), (0, 0), 6), np.uint8),
}


def test_a_good_image_has_no_fault() -> None:
    assert faults(measure(good())) == {}


@pytest.mark.parametrize("fault", WORSE)
def test_each_fault_is_found_and_no_other(fault: str) -> None:
    assert list(faults(measure(WORSE[fault]))) == [fault]


def test_every_measure_is_there_and_as_it_should_be() -> None:
    grey = np.arange(100, dtype=np.uint8).reshape(10, 10)
    found = measure(grey)
    assert tuple(found) == MEASURES
    assert found["bright"] == pytest.approx(98.01)
    assert found["dim"] == pytest.approx(4.95)
    assert found["spread"] == pytest.approx(np.arange(100).std())


def test_blur_grows_and_does_not_depend_on_the_camera() -> None:
    image = good(512, 512)
    levels = [blur(np.asarray(cv2.GaussianBlur(image, (0, 0), s), np.uint8)) for s in (1, 2, 4, 8)]
    assert levels == sorted(levels)
    soft = np.asarray(cv2.GaussianBlur(image, (0, 0), 4), np.uint8)
    larger = np.asarray(cv2.resize(soft, (2048, 2048), interpolation=cv2.INTER_CUBIC), np.uint8)
    assert blur(larger) == pytest.approx(blur(soft), abs=0.03)
    assert 0 <= blur(np.zeros((1, 1), np.uint8)) <= 1


@pytest.mark.real
def test_real_images_have_no_fault_until_they_are_blurred(shared_data: Path) -> None:
    files = sorted((shared_data / "oral_histology").rglob("*.jpg"))[::30]
    files += sorted((shared_data / "ham_dermoscopy").glob("*.jpg"))[::5]
    greys = [grey_of(np.asarray(Image.open(path).convert("RGB"))) for path in files]
    assert [faults(measure(grey)) for grey in greys] == [{}] * len(files)
    blurred = [cv2.GaussianBlur(grey, (0, 0), 3 * max(grey.shape) / 256) for grey in greys]
    assert np.mean(["blurred" in faults(measure(np.asarray(grey, np.uint8))) for grey in blurred]) > 0.9
