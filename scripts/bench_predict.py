"""Folder prediction against timm's own inference.py, whole processes in turn, on generated JPEG images.

python scripts/bench_predict.py --timm CHECKOUT/inference.py [--n 500] [--runs 3] [--size 1024] [--networks NAME ...]

timm's script comes from a checkout of huggingface/pytorch-image-models. Both sides get the same random weights, input
size, interpolation and crop. Wall time is what a user waits; processor time (all cores) says the same on a busy machine.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from nmevision.cores import usable_cores
from nmevision.data.images import read_image
from nmevision.networks.bundle import Bundle
from nmevision.networks.graph import GRAPH, OpenVinoRuntime, looks_at

PICTURES = 16
"""Different pictures; the folder repeats them."""
SIDE = 224
BEST = ["--channels-last", "--amp", "--amp-dtype", "bfloat16", "-b", "32"]
"""timm's flags that were fastest on a CPU of 2023."""
FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "amx_int8", "asimd", "bf16")
Seconds = tuple[float, float]
"""Wall time, and processor time of all cores."""


def main() -> None:
    """Make the images and models, run both sides in turn, print medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--timm", type=Path, help="timm's inference.py; without it only ours is run")
    parser.add_argument("--n", type=int, default=500, help="images")
    parser.add_argument("--runs", type=int, default=3, help="of each, in turn; the median counts")
    parser.add_argument("--size", type=int, default=1024, help="pixels of each side")
    parser.add_argument("--networks", nargs="+", default=["resnet18", "mobilenetv4_conv_small"])
    options = parser.parse_args()
    print(machine(("torch", "timm", "openvino", "pillow", "numpy")))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_images(folder / "images" / "all", options.n, options.size)
        for network in options.networks:
            bundle = write_models(folder / network, network)
            print(
                f"\n{network}, {options.n} JPEG images of {options.size} x {options.size}, {options.runs} runs"
            )
            _race(folder, bundle, network, options.timm, options.runs)
            _parts(bundle, folder / "images" / "all", options.n, folder / "out" / "run.json")
        _drift(bundle, folder / "images" / "all")


def write_images(folder: Path, n: int, size: int) -> None:
    """Write n JPEG files of quality 90 with detail at every scale, as photographs have."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for i in range(n):
        path = folder / f"{i:05}.jpg"
        if i >= PICTURES:
            shutil.copy(folder / f"{i % PICTURES:05}.jpg", path)
            continue
        picture = np.zeros((size, size, 3))
        for power in range(2, 10):
            coarse = rng.normal(128, 127 / power**1.2, (2**power, 2**power, 3)).clip(0, 255).astype(np.uint8)
            picture += np.asarray(
                Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC), float
            )
        picture = (picture - picture.mean()) / picture.std() * 45 + 128
        Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(path, quality=90)


def write_models(folder: Path, network: str) -> Bundle:
    """Write the same random weights as timm's checkpoint and as a bundle."""
    import timm
    import torch
    from safetensors.torch import save_file

    from nmevision.networks.backbones import backbone_preprocessing, build_backbone
    from nmevision.networks.bundle import save_bundle
    from nmevision.networks.classifier import Classifier
    from nmevision.networks.novelty import fit
    from nmevision.taxonomy import taxonomy_from

    folder.mkdir()
    torch.manual_seed(0)
    theirs = timm.create_model(network, pretrained=False).eval()
    save_file(theirs.state_dict(), folder / "timm.safetensors")
    backbone = build_backbone(network, "none", image_size=SIDE)
    backbone.module.load_state_dict(theirs.state_dict(), strict=False)
    groups = [{"key": "all", "name": "all"}]
    diagnoses = [{"key": f"d{i}", "name": f"d{i}", "group": "all"} for i in range(10)]
    taxonomy = taxonomy_from({"name": "bench", "groups": groups, "diagnoses": diagnoses}, "bench")
    recipe = backbone_preprocessing(backbone.module, image_size=SIDE, fit="crop", fill=None)
    info: dict[str, Any] = {
        "name": network,
        "created": "2026-01-01T00:00:00+00:00",
        "nmevision": version("nmevision"),
        "modality": "clinical",
        "phantom": True,
        "taxonomy": taxonomy,
        "positive": None,
        "network": {
            "backbone": network,
            "tasks": {"diagnosis": 10},
            "image_size": SIDE,
            "weights_from": "none",
        },
        "preprocessing": recipe,
        "temperature": 1.0,
        "training": {},
        "validation": {},
        "versions": {"timm": version("timm")},
    }
    noise = np.random.default_rng(0).normal(size=(64, backbone.width))
    classifier = Classifier(backbone.module, backbone.width, {"diagnosis": 10}).eval()
    return save_bundle(folder / "bundle", classifier, info, ["0" * 64], fit(noise, noise))


def _race(folder: Path, bundle: Bundle, network: str, timm: Path | None, runs: int) -> None:
    """Run every contender in turn and print the table of medians."""
    images = folder / "images"
    frame = bundle.info.preprocessing
    theirs = [sys.executable, str(timm), str(images), "--model", network, "--device", "cpu", "--img-size"]
    theirs += [str(SIDE), "--crop-pct", str(frame.crop_pct), "--interpolation", frame.interpolation]
    theirs += ["--checkpoint", str(folder / network / "timm.safetensors"), "--label-type", "none"]
    theirs += ["--no-console-results", "--results-dir", str(folder / "timm")]
    ours = [sys.executable, "-m", "nmevision.cli", "predict", str(bundle.folder), str(images)]
    ours += ["--out", str(folder / "out")]
    contenders = {"timm, defaults": theirs, "timm, best flags": [*theirs, *BEST]} if timm else {}
    contenders["nmevision"] = ours
    times: dict[str, list[Seconds]] = {name: [] for name in contenders}
    for _ in range(runs):
        for name, command in contenders.items():
            shutil.rmtree(folder / "out", ignore_errors=True)
            times[name].append(timed(command)[0])
    wall, cpu = (
        {name: statistics.median(run[which] for run in found) for name, found in times.items()}
        for which in (0, 1)
    )
    print(f"{'':18}{'wall s':>8}{'times ours':>12}{'core s':>9}{'times ours':>12}")
    for name in contenders:
        ratios = wall[name] / wall["nmevision"], cpu[name] / cpu["nmevision"]
        print(f"{name:18}{wall[name]:8.2f}{ratios[0]:12.2f}{cpu[name]:9.2f}{ratios[1]:12.2f}")


def timed(command: list[str]) -> tuple[Seconds, str]:
    """Run a command to its end; return its wall and processor time, and all that it said."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    whole = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=whole)
    wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stderr[-2000:]}")
    core = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return (wall, core), done.stdout + done.stderr


def _parts(bundle: Bundle, images: Path, n: int, facts: Path) -> None:
    """Print the core time of decoding and of the network, and how near the last run came to their sum."""
    frame = bundle.info.preprocessing
    paths = sorted(images.iterdir())[:PICTURES]
    for _ in range(2):  # the first time loads what it needs
        started = time.process_time()
        arrays = [frame(read_image(path, shrink=frame.shrink).pixels) for path in paths]
        decode = (time.process_time() - started) / len(paths)
    timing = json.loads(facts.read_text(encoding="utf-8"))["timing"]
    runtime = OpenVinoRuntime(bundle.folder / GRAPH, (1, 3, frame.height, frame.width), timing["precision"])
    looks = [looks_at(array, 1) for array in arrays]
    runtime(looks)
    started = time.process_time()
    runtime(looks)
    forward = (time.process_time() - started) / len(paths)
    least = n * (decode + forward) / usable_cores()
    print(
        f"engine {timing['engine']} {timing['precision']}; core time per image: decode {1000 * decode:.1f} ms, ",
        end="",
    )
    print(
        f"network {1000 * forward:.1f} ms; started, it took {timing['seconds']:.2f} s of at least {least:.2f} s"
    )


def _drift(bundle: Bundle, images: Path) -> None:
    """Print what decoding smaller does to the network's input and answers, against whole images."""
    from nmevision.inference.engine import engine_for
    from nmevision.networks.answers import AnswerMaker

    frame, engine = bundle.info.preprocessing, engine_for(bundle, "torch")
    paths = sorted(images.iterdir())[:PICTURES]
    small = [frame.frame(read_image(path, shrink=frame.shrink).pixels) for path in paths]
    whole = [frame.frame(read_image(path).pixels) for path in paths]
    grey = np.abs(np.stack(small).astype(int) - np.stack(whole))
    maker = AnswerMaker(bundle)
    found, expected = (
        maker.from_outputs(engine.outputs([frame.normalise(one) for one in set_])) for set_ in (small, whole)
    )
    off = max(float(np.abs(found[name] - expected[name]).max()) for name in found if name.startswith("p_"))
    print(
        f"\nJPEG decoded smaller, against whole: {grey.mean():.2f} grey levels in the mean, {grey.max()} at most; ",
        end="",
    )
    print(f"a probability moves by at most {off:.4f} (random weights)")


def machine(names: Sequence[str]) -> str:
    """Return what the figures were measured on, with the versions of these packages."""
    versions = ", ".join(f"{name} {version(name)}" for name in names)
    cpu = Path("/proc/cpuinfo")
    words = set(cpu.read_text(encoding="utf-8").split()) if cpu.is_file() else set()
    flags = " ".join(flag for flag in FLAGS if flag in words)
    load = f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "?"
    return (
        f"{platform.system()} {platform.machine()}, {usable_cores()} cores ({flags or 'flags unknown'}), load before: "
        f"{load}\nPython {platform.python_version()}, {versions}"
    )


if __name__ == "__main__":
    main()
