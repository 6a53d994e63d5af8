"""Attention against plain means where a small part of a case is diseased: phantom fields, an unseen laboratory.

    python scripts/phantom_mil.py BUNDLE OUT MANIFEST.csv [MANIFEST.csv ...] [--fields 8] [--diseased 1] [--seeds 3]

MANIFESTs are what `nmevision data phantom --modality histology` wrote. A case is made of one or few fields of a disease
and else of normal skin, all from one laboratory, each field used once; what is asked is whether the disease is of the
necrolytic group. Both models learn from the cases' labels alone, on the features of BUNDLE, and go through train,
predict and evaluate as a user's. Synthetic images: a check of the software that says nothing about disease.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from nmevision.config import load
from nmevision.evaluation.intervals import auroc_interval
from nmevision.evaluation.metrics import auroc
from nmevision.files import write_csv, write_text
from nmevision.journeys.train_and_test import train_and_test
from nmevision.taxonomy import load_taxonomy

CONFIGS = Path(__file__).resolve().parents[1] / "configs"
TAXONOMY = CONFIGS / "taxonomies" / "necrolytic-vs-mimic.yaml"


def main() -> None:
    """Make the cases, train both models and print their AUROCs on the unseen laboratory."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bundle", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("manifests", type=Path, nargs="+")
    parser.add_argument("--fields", type=int, default=8, help="fields of a case")
    parser.add_argument("--diseased", type=int, default=1, help="of them diseased")
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    cases = make_cases(given.manifests, given.fields, given.diseased)
    manifest = given.out / "cases.csv"
    write_csv(manifest, cases)
    lines = [
        "| pooling | seed | AUROC, unseen laboratory (95 % interval) | cases n+ / n- |",
        "|---|---|---|---|",
    ]
    scores: dict[tuple[str, int], np.ndarray] = {}
    for seed in range(given.seeds):
        for pooling in ("mean", "attention"):
            labels, scores[pooling, seed] = scored(given, manifest, pooling, seed)
            interval = auroc_interval(labels, scores[pooling, seed])
            value = auroc(labels, scores[pooling, seed]).value
            lines.append(
                f"| {pooling} | {seed} | {value:.3f} ({interval.low:.3f}-{interval.high:.3f}) "
                f"| {int(labels.sum())} / {int((~labels).sum())} |"
            )
    text = "\n".join(["PHANTOMS: synthetic images; nothing about disease.", "", *lines])
    print(text)
    write_text(given.out / "mil.md", text + "\n")


def make_cases(manifests: list[Path], fields: int, diseased: int) -> pd.DataFrame:
    """Return rows of cases: diagnosis and patient_id are the case's, `shows` is the field's own."""
    frames = []
    for number, path in enumerate(manifests):
        frame = pd.read_csv(path, dtype=str, keep_default_na=False)
        frame["path"] = [str((path.parent / name).resolve()) for name in frame["path"]]
        frames.append(frame.assign(id=[f"{number}-{identity}" for identity in frame["id"]]))
    taxonomy = load_taxonomy(TAXONOMY)
    rows = pd.concat(frames)[
        ["id", "path", "modality", "diagnosis", "source", "licence", "mpp", "phantom", "split"]
    ]
    rng = np.random.default_rng(0)
    cases = []
    for source, own in rows.groupby("source"):
        spared = own[own["diagnosis"] == "normal"].sample(frac=1, random_state=0)
        sick = own[own["diagnosis"] != "normal"].sample(frac=1, random_state=0)
        group = sick["diagnosis"].map(lambda label: taxonomy.diagnosis_of(label) or "")
        positive, negative = sick[group == "necrolytic"], sick[(group != "necrolytic") & (group != "")]
        count = min(
            len(spared) // (fields - diseased), 2 * len(positive) // diseased, 2 * len(negative) // diseased
        )
        for number in range(count):
            kind = positive if number % 2 else negative
            start = number // 2 * diseased
            part = kind.iloc[start : start + diseased]
            rest = spared.iloc[number * (fields - diseased) : (number + 1) * (fields - diseased)]
            label = "nme" if number % 2 else "psoriasis"
            bag = pd.concat([part, rest]).assign(patient_id=f"{source}-case-{number:04d}")
            bag["shows"], bag["diagnosis"] = bag["diagnosis"], label
            cases.append(bag.iloc[rng.permutation(len(bag))])
    return pd.concat(cases)


def scored(
    given: argparse.Namespace, manifest: Path, pooling: str, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return labels and scores of the test cases from cases.csv of a model trained with this pooling."""
    config = load(
        CONFIGS / "mil.yaml",
        [
            f"name=mil-{pooling}-{seed}",
            f"seed={seed}",
            f"mil.bundle={given.bundle}",
            f"mil.pooling={pooling}",
            f"mil.features={given.out / 'features.safetensors'}",
            f"data.manifest={manifest}",
            "data.test=0",
            "data.val=0.2",
            f"output.runs={given.out / 'runs'}",
            f"output.models={given.out / 'models'}",
        ],
    )
    trained = train_and_test(config)
    assert trained is not None
    cases = pd.read_csv(trained.run / "test" / "cases.csv", dtype={"patient_id": str})
    truth = (
        pd.read_csv(manifest, dtype=str).drop_duplicates("patient_id").set_index("patient_id")["diagnosis"]
    )
    return (truth.loc[cases["patient_id"]] == "nme").to_numpy(), cases["p_necrolytic"].to_numpy(np.float64)


if __name__ == "__main__":
    main()
