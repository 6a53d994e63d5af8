"""How well phantoms' findings are graded on an unseen laboratory, and what each route makes of them.

    python scripts/phantom_findings.py PREDICTIONS.csv MANIFEST.csv [--out FILE.md]

PREDICTIONS come from a bundle with findings over phantom rows; MANIFEST holds the true grades and diagnoses.
Synthetic images: a check of the software that says nothing about disease.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from nmevision.evaluation.findings import judge_findings
from nmevision.evaluation.intervals import auroc_interval
from nmevision.evaluation.metrics import auroc
from nmevision.files import write_text
from nmevision.knowledge.loading import load_knowledge
from nmevision.knowledge.observations import from_mean_and_sd
from nmevision.manifest import read_manifest
from nmevision.manifest_checks import FINDING_PREFIX
from nmevision.predictions import SPREAD_PREFIX, read_predictions

COMMON = ("psoriasis", "eczema", "normal")
DEFINING = ("upper_epidermal_pallor", "upper_epidermal_necrosis", "granular_layer_loss")
SCORES = {
    "fused": "p_group_necrolytic",
    "learned": "learned",
    "knowledge": "knowledge_group_necrolytic",
}
"""Column with each route's score of the necrolytic group; `learned` is summed over its members."""


def main() -> None:
    """Print both tables as Markdown."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("predictions", type=Path)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    table = read_predictions(given.predictions).answered.merge(
        read_manifest(given.manifest).frame, on="id", suffixes=("", "_true"), validate="one_to_one"
    )
    text = "\n".join(
        ["PHANTOMS: synthetic images; nothing about disease.", "", *_grades(table), "", *_routes(table)]
    )
    print(text)
    if given.out is not None:
        write_text(given.out, text + "\n")


def _grades(table: pd.DataFrame) -> list[str]:
    """Return a line per finding: quadratic-weighted kappa with its interval and n, the NME-defining ones marked."""
    names = [str(name) for name in table]
    keys = [name.removeprefix(SPREAD_PREFIX) for name in names if name.startswith(SPREAD_PREFIX)]
    truth = table[[f"{FINDING_PREFIX}{key}_true" for key in keys]].replace("", "-1").astype(float).astype(int)
    masses = from_mean_and_sd(
        table[[FINDING_PREFIX + key for key in keys]], table[[SPREAD_PREFIX + key for key in keys]]
    )
    report = judge_findings(keys, truth.to_numpy(), masses, table["patient_id_true"].to_numpy())
    lines = ["| finding | kappa (95 % interval) | MAE | images | patients with it |", "|---|---|---|---|---|"]
    for score in report.findings:
        mark = " (defines NME)" if score.name in DEFINING else ""
        low, high = score.kappa_interval.low, score.kappa_interval.high
        lines.append(
            f"| {score.name}{mark} | {score.kappa.value:.3f} ({low:.3f}-{high:.3f}) | {score.mae.value:.2f} "
            f"| {score.n_images} | {score.n_positive} |"
        )
    kappas = [score.kappa.value for score in report.findings]
    return [*lines, "", f"Median kappa of {len(kappas)} findings: {np.nanmedian(kappas):.3f}."]


def _routes(table: pd.DataFrame) -> list[str]:
    """Return the AUROC of the necrolytic group by route and by what it is told from; by patient."""
    members = [d.key for d in load_knowledge().diagnoses.values() if d.group == "necrolytic"]
    own = [f"learned_{key}" for key in members if f"learned_{key}" in table]
    table = table.copy().assign(learned=table[own].sum(axis=1))
    cases = table.groupby("patient_id_true").agg(
        {
            "diagnosis_true": "first",
            **{c: "mean" for c in map(str, table) if c in SCORES.values() or c.startswith("p_")},
        }
    )
    is_nme, in_group = cases["diagnosis_true"] == "nme", cases["diagnosis_true"].isin(members)
    common = cases["diagnosis_true"].isin(COMMON)
    lines = ["| route | question | AUROC (95 % interval) | n+ / n- |", "|---|---|---|---|"]
    for route, column in SCORES.items():
        for question, positive, negative in (
            ("necrolytic group versus psoriasis, eczema, normal", in_group, common),
            ("necrolytic group versus all mimics", in_group, ~in_group),
            ("NME versus all mimics", is_nme, ~in_group),
        ):
            lines.append(_line(route, question, cases[column], positive, negative))
    zinc = cases["diagnosis_true"] == "acrodermatitis_enteropathica"
    if {"p_nme", "p_acrodermatitis_enteropathica"} <= set(cases):
        share = cases["p_nme"] / (cases["p_nme"] + cases["p_acrodermatitis_enteropathica"])
        lines.append(_line("fused", "NME versus zinc deficiency (expected near 0.5)", share, is_nme, zinc))
    return lines


def _line(route: str, question: str, score: pd.Series, positive: pd.Series, negative: pd.Series) -> str:
    asked = positive | negative
    labels, values = positive[asked].to_numpy(), score[asked].to_numpy(np.float64)
    interval = auroc_interval(labels, values)
    return (
        f"| {route} | {question} | {auroc(labels, values).value:.3f} ({interval.low:.3f}-{interval.high:.3f}) "
        f"| {int(positive.sum())} / {int(negative.sum())} |"
    )


if __name__ == "__main__":
    main()
