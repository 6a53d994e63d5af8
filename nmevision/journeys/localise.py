"""Do a model's heat maps of findings lie where the findings are? On phantom fields, whose places are known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from nmevision.data.images import read_image
from nmevision.errors import DataError
from nmevision.evaluation.localisation import Localisation, Pointing, judge_maps, point, tolerance_of
from nmevision.inference.heatmaps import HeatMaps, upright
from nmevision.manifest import Manifest
from nmevision.manifest_checks import FINDING_PREFIX
from nmevision.networks.bundle import Bundle
from nmevision.phantom.section_truth import read_truth
from nmevision.progress import progress_bar

LEAST_IMAGES = 5
"""A finding shown in fewer images gets no line of its own."""
ALL = "all findings"
Points = dict[str, list[tuple[Pointing, str]]]
"""Finding -> what each image's map points at, and whose image it is."""


@dataclass(frozen=True)
class Found:
    """How well maps point, by finding and over all; and those of the same network with its weights shuffled."""

    own: dict[str, Localisation]
    shuffled: dict[str, Localisation]


def localise(bundle: Bundle, manifest: Manifest, seed: int = 0) -> Found:
    """Return how well a bundle's maps point at the findings that phantom fields truly show.

    manifest: phantom H&E fields with `truth/` beside `images/`. seed: of the shuffling.
    Raises DataError where the manifest holds no phantom field, or its truth is missing.
    """
    if not len(manifest) or not manifest.phantom.all():
        raise DataError(
            "the places of findings are known in phantoms only; give the manifest that `nmevision data phantom` wrote"
        )
    own = HeatMaps(bundle, "findings")
    shuffled = HeatMaps(bundle, "findings")
    shuffled.change(shuffle_weights(seed))
    with progress_bar("localising", 2 * len(manifest)) as step:
        pairs = (_points(own, manifest, step, 0), _points(shuffled, manifest, step, len(manifest)))
    return Found(*(_judged(points) for points in pairs))


def shuffle_weights(seed: int) -> Callable[[torch.nn.Module], None]:
    """Return a function that puts every tensor's numbers into random places: nothing learned is left."""

    def shuffle(network: torch.nn.Module) -> None:
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for values in network.parameters():
                order = torch.randperm(values.numel(), generator=generator)
                values.copy_(values.flatten()[order.to(values.device)].reshape(values.shape))

    return shuffle


def _points(maps: HeatMaps, manifest: Manifest, step: Callable[[int], None], done: int) -> Points:
    """Return, per finding, what the maps of the images that truly show it point at."""
    points: Points = {key: [] for key in maps.names}
    graded = [FINDING_PREFIX + key for key in maps.names if FINDING_PREFIX + key in manifest.frame]
    grades = manifest.integers(graded)
    for row, (sample, case) in enumerate(zip(manifest.samples(), manifest.cases, strict=True)):
        truth = read_truth(sample.path.parent.parent / "truth", sample.path.stem)
        shown = [
            name.removeprefix(FINDING_PREFIX) for name, g in zip(graded, grades[row], strict=True) if g > 0
        ]
        shown = [key for key in shown if key in truth.masks and truth.masks[key].any()]
        if shown:
            pixels = read_image(sample.path).pixels
            shape = pixels.shape[0], pixels.shape[1]
            found = maps.of(pixels)
            for key in shown:
                heat = upright(found[key], maps.info.preprocessing, shape, max(shape))
                points[key].append((point(heat, truth.masks[key], tolerance_of(shape, truth.mpp)), str(case)))
        step(done + row + 1)
    return points


def _judged(points: Points) -> dict[str, Localisation]:
    """Return the findings shown often enough, and all together."""
    often = {key: found for key, found in points.items() if len(found) >= LEAST_IMAGES}
    everything = {ALL: [one for found in points.values() for one in found]} | often
    return {
        key: judge_maps([one for one, _ in found], np.array([case for _, case in found]))
        for key, found in everything.items()
    }


def table_of(found: Found) -> str:
    """Return a line per finding as Markdown: hits against a random point, energy against the area."""
    lines = [
        "| finding | images (patients) | hits (95 % interval) | a random point | energy | mask's area | ratio "
        "| shuffled: hits, ratio |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for key, one in found.own.items():
        other = found.shuffled[key]
        lines.append(
            f"| {key} | {one.n_images} ({one.n_patients}) | {one.hit.value:.2f} ({_limits(one)}) "
            f"| {one.area.value:.2f} | {one.energy.value:.3f} "
            f"| {one.mask_area.value:.3f} | {_ratio(one)} | {other.hit.value:.2f}, {_ratio(other)} |"
        )
    return "\n".join(lines)


def _limits(one: Localisation) -> str:
    low, high = one.hit_interval.low, one.hit_interval.high
    return "no interval" if np.isnan([low, high]).any() else f"{low:.2f}-{high:.2f}"


def _ratio(one: Localisation) -> str:
    """Return how much more energy lies in the masks than a uniform map's."""
    return f"{one.energy.value / one.mask_area.value:.2f}"
