"""A large phantom slide through `nmevision predict`: time, memory, its answer, and whether the heat lies on the lesion.

    python scripts/phantom_slide.py BUNDLE [--out DIR] [--diagnosis nme] [--twice]

Draws a slide of 20,480 x 10,240 pixels in which stretches of the surface are diseased (kept in DIR, a minute on two cores) and
predicts on it in a process of its own; then the heat map of the diagnosis' group is drawn and held against the epidermis of
those stretches. --twice: a slide of twice the width as well. Synthetic images: a check of the software that says nothing
about disease.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nmevision.cores import usable_cores
from nmevision.evaluation.localisation import point
from nmevision.knowledge.loading import load_knowledge
from nmevision.phantom.sheet import LABEL
from nmevision.phantom.slide import make_slide
from nmevision.predictions import GROUP_PREFIX, read_predictions
from nmevision.progress import progress_bar

WIDTH, HEIGHT, BLOCKS = 20_480, 10_240, 200  # pixels; blocks drawn
EPIDERMIS = ("horn", "granular", "spinous", "basal", "pustule", "cleft", "necrotic", "pale")
REACH = 300.0  # micrometres between a place of the lesion's epidermis and the line along its base, at most
TOLERANCE = 50.0  # micrometres, of the pointing game
POLL = 0.05  # seconds between two looks at the memory


def main() -> None:
    """Draw, predict, measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--out", type=Path, default=Path("phantom-slide"))
    parser.add_argument("--diagnosis", default="nme")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--twice", action="store_true", help="also a slide of twice the width")
    given = parser.parse_args()
    print("PHANTOMS: synthetic images; nothing about disease.\n")
    for times in (1, 2) if given.twice else (1,):
        slide = drawn(given.out / f"{given.diagnosis}-{times}.tif", given.diagnosis, given.seed, times)
        answers = given.out / f"answers-{times}"
        shutil.rmtree(answers, ignore_errors=True)
        seconds, memory = run(
            ["predict", str(given.bundle), str(slide), "--out", str(answers), "--max-tiles", str(300 * times)]
        )
        row = read_predictions(answers / "predictions.csv").frame.iloc[0]
        print(
            f"{WIDTH * times} x {HEIGHT} pixels: {seconds:.0f} s, {memory / 1e9:.2f} GB at most; {row['message']}"
        )
        groups = {
            key.removeprefix(GROUP_PREFIX): float(row[key])
            for key in row.index
            if key.startswith(GROUP_PREFIX)
        }
        best = max(groups, key=lambda key: groups[key])
        print(f"planted: {given.diagnosis}; the answer's group: {best} ({groups[best]:.2f})")
        run(
            [
                "predict",
                str(given.bundle),
                str(slide),
                "--out",
                str(answers),
                "--resume",
                "--overlays",
                "groups",
                "--max-tiles",
                str(300 * times),
            ]
        )
        print(where(slide, answers, load_knowledge().diagnoses[given.diagnosis].group))


def drawn(path: Path, diagnosis: str, seed: int, times: int) -> Path:
    """Return the slide, drawn unless it is there already."""
    if not path.is_file():
        with progress_bar("drawing", BLOCKS * times) as step:
            make_slide(
                path,
                diagnosis,
                seed,
                WIDTH * times,
                HEIGHT,
                number=4,
                processes=usable_cores(),
                progress=step,
            )
    return path


def run(arguments: list[str]) -> tuple[float, int]:
    """Run nmevision and return its seconds and the most bytes that it and its children held together (Linux)."""
    started, most = time.perf_counter(), 0
    process = subprocess.Popen([sys.executable, "-m", "nmevision.cli", *arguments], stdout=subprocess.DEVNULL)
    while process.poll() is None:
        most = max(most, held(process.pid))
        time.sleep(POLL)
    if process.returncode:
        raise SystemExit(f"nmevision {' '.join(arguments)} ended with {process.returncode}")
    return time.perf_counter() - started, most


def held(pid: int) -> int:
    """Return the bytes of memory of a process and its children, what they share counted once for each as its part."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
        own = next(int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("Pss:"))
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    except (OSError, StopIteration):
        return 0
    return own + sum(held(int(child)) for child in children)


def where(slide: Path, answers: Path, group: str) -> str:
    """Return how much of the group's heat lies on the planted lesion, in words."""
    index = json.loads((answers / "overlays/index.json").read_text(encoding="utf-8"))
    found = [one for image in index["images"] for one in image["maps"] if one["key"] == group]
    if not found:
        return f"no heat map of {group}: its probability is too low"
    with Image.open(answers / "overlays" / found[0]["file"]) as picture:
        heat = np.asarray(picture, np.float64)  # the palette's index is the heat
    mask, tissue = lesion(slide)
    size = heat.shape[1], heat.shape[0]
    shown = np.asarray(Image.fromarray(mask).resize(size, Image.Resampling.NEAREST))
    skin = np.asarray(Image.fromarray(tissue).resize(size, Image.Resampling.NEAREST))
    truth = json.loads(slide.with_suffix(".json").read_text(encoding="utf-8"))
    um = truth["mpp"] * truth["label_scale"] * mask.shape[1] / size[0]
    one = point(heat, shown, TOLERANCE / um)
    on_skin = heat[shown].sum() / heat[skin].sum() / (shown.sum() / skin.sum())
    return (
        f"heat of {group}: {one.energy:.3f} of it lies on the lesional epidermis, {one.energy / one.mask_area:.1f} times its "
        f"share of the slide ({one.mask_area:.4f}) and {on_skin:.1f} times its share of the tissue; "
        f"the warmest place {'lies' if one.hit else 'does not lie'} there"
    )


def lesion(slide: Path) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return where the epidermis of the lesional stretches lies, and where tissue does, on the slide's label map."""
    truth = json.loads(slide.with_suffix(".json").read_text(encoding="utf-8"))
    with Image.open(slide.with_name(f"{slide.stem}-label.png")) as picture:
        label = np.asarray(picture)
    rows, columns = np.indices(label.shape, np.float32)
    mask = np.zeros(label.shape, bool)
    for stretch in truth["lesions"]:
        (x0, y0), (x1, y1) = np.array(stretch, float) / truth["label_scale"]
        along, length = np.array([x1 - x0, y1 - y0]), float(np.hypot(x1 - x0, y1 - y0))
        u = ((columns - x0) * along[0] + (rows - y0) * along[1]) / length
        away = np.abs((columns - x0) * along[1] - (rows - y0) * along[0]) / length
        mask |= (u >= 0) & (u <= length) & (away * truth["label_scale"] * truth["mpp"] <= REACH)
    return mask & np.isin(label, [LABEL[name] for name in EPIDERMIS]), label > 0


if __name__ == "__main__":
    main()
