"""Training against timm's own train.py, whole processes in turn, on generated folders of JPEG images.

python scripts/bench_training.py --timm CHECKOUT/train.py [--n 512] [--size 1024] [--networks NAME ...] [--epochs 3]

timm's script comes from a checkout of huggingface/pytorch-image-models. Both sides train the same network from random
weights at 224 pixels, each with its own usual augmentation, and validate after every epoch. Counted is what each says of
itself: training images per second of every epoch but the first, waiting for images included, validation not.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

import pandas as pd
from bench_predict import SIDE, machine, timed, write_images

from nmevision.cores import usable_cores

CLASSES = 4
CONFIG = Path(__file__).resolve().parents[1] / "configs" / "clinical.yaml"
BEST = ["--channels-last", "--amp", "--amp-dtype", "bfloat16", "-b", "32", "-j", str(usable_cores())]
"""timm's flags that were fastest on a CPU of 2023."""
END_OF_EPOCH = re.compile(r"Train: \d+ \[ *\d+/\d+ \(100%\)\].*\([\d.]+s, +([\d.]+)/s\)")
"""timm's last line of an epoch; in its second brackets stands the mean over the epoch."""


def main() -> None:
    """Make the images, train in turn with each side, print medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--timm", type=Path, help="timm's train.py; without it only ours is run")
    parser.add_argument("--n", type=int, default=512, help="training images, at least timm's batch of 128")
    parser.add_argument("--size", type=int, default=1024, help="pixels of each side")
    parser.add_argument("--epochs", type=int, default=3, help="of each run, at least 2")
    parser.add_argument("--runs", type=int, default=3, help="of each, in turn; the median counts")
    parser.add_argument("--networks", nargs="+", default=["resnet18", "mobilenetv4_conv_small"])
    options = parser.parse_args()
    if options.epochs < 2 or options.n < 128:
        parser.error("--epochs must be at least 2 (the first is not counted) and --n at least 128")
    print(machine(("torch", "timm", "lightning", "albumentations", "pillow", "numpy")))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["XDG_CACHE_HOME"] = str(folder / "user")  # so that speeds are measured, not remembered
        write_set(folder, options.n, options.size)
        for network in options.networks:
            print(
                f"\n{network} at {SIDE}, {options.n} JPEG images of {options.size} x {options.size}, "
                f"{options.runs} runs of {options.epochs} epochs"
            )
            _race(folder, network, options.timm, options.epochs, options.runs)


def write_set(folder: Path, n: int, size: int) -> None:
    """Write n training and n / 8 validation images into class folders, a manifest of them and a taxonomy."""
    write_images(folder / "all", n + n // 8, size)
    rows = []
    for i, path in enumerate(sorted((folder / "all").iterdir())):
        split, key = ("train", "val")[i >= n], f"d{i % CLASSES}"
        home = folder / "images" / {"train": "train", "val": "validation"}[split] / key / path.name
        home.parent.mkdir(parents=True, exist_ok=True)
        home.write_bytes(_remarked(path.read_bytes(), path.name))
        rows.append({"id": path.stem, "path": str(home), "modality": "clinical", "diagnosis": key})
        rows[-1] |= {"patient_id": path.stem, "source": "bench", "licence": "CC0-1.0", "split": split}
    shutil.rmtree(folder / "all")
    pd.DataFrame(rows).to_csv(folder / "manifest.csv", index=False)
    diagnoses = "".join(f"  - {{key: d{i}, name: d{i}, group: all}}\n" for i in range(CLASSES))
    text = f"name: bench\ngroups: [{{key: all, name: all}}]\ndiagnoses:\n{diagnoses}"
    (folder / "taxonomy.yaml").write_text(text, encoding="utf-8")


def _remarked(jpeg: bytes, text: str) -> bytes:
    """Return a JPEG file with a comment behind its first two bytes, so that no two files are the same."""
    comment = text.encode("ascii")
    return jpeg[:2] + b"\xff\xfe" + (2 + len(comment)).to_bytes(2, "big") + comment + jpeg[2:]


def _race(folder: Path, network: str, timm: Path | None, epochs: int, runs: int) -> None:
    """Train with every contender in turn and print the table of medians."""
    theirs = [sys.executable, str(timm), "--data-dir", str(folder / "images"), "--model", network]
    theirs += ["--num-classes", str(CLASSES), "--img-size", str(SIDE), "--epochs", str(epochs)]
    theirs += ["--device", "cpu", "--output", str(folder / "timm")]
    ours = [sys.executable, "-m", "nmevision.cli", "train", str(CONFIG), "name=bench", "positive=null"]
    ours += [
        f"taxonomy={folder / 'taxonomy.yaml'}",
        f"data.manifest={folder / 'manifest.csv'}",
        "data.test=0",
    ]
    ours += [f"model.backbone={network}", "model.weights=none", f"model.image_size={SIDE}"]
    ours += [f"train.epochs={epochs}", f"output.runs={folder / 'runs'}", f"output.models={folder / 'models'}"]
    contenders = {"timm, defaults": theirs, "timm, best flags": [*theirs, *BEST]} if timm else {}
    contenders |= {
        "nmevision": ours,
        "nmevision, data.cache": [*ours, f"data.cache={folder / 'cache'}"],
        "nmevision, heads alone": [*ours, "train.mode=probe"],
    }
    rates: dict[str, list[float]] = {name: [] for name in contenders}
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(runs):
        for name, command in contenders.items():
            for made in ("timm", "runs", "models"):
                shutil.rmtree(folder / made, ignore_errors=True)
            (wall, _), said = timed(command)
            found = _our_rates(folder / "runs") if command[2] == "nmevision.cli" else _their_rates(said)
            rates[name] += found[1:]
            times[name].append(wall)
    print(f"{'':28}{'images/s':>10}{'ours to it':>12}{'whole run, s':>14}")
    ours_now = statistics.median(rates["nmevision"])
    for name in contenders:
        rate = statistics.median(rates[name])
        print(f"{name:28}{rate:10.1f}{ours_now / rate:12.3g}{statistics.median(times[name]):14.1f}")


def _our_rates(runs: Path) -> list[float]:
    """Return training images per second of every epoch, from the log of the one run in a folder."""
    (log,) = runs.glob("*/logs/*/metrics.csv")
    lines = pd.read_csv(log).dropna(subset="images_per_second")
    return [float(rate) for rate in lines.groupby("epoch")["images_per_second"].last()]


def _their_rates(said: str) -> list[float]:
    """Return the same from what timm's train.py printed."""
    return [float(rate) for rate in END_OF_EPOCH.findall(said)]


if __name__ == "__main__":
    main()
