"""The whole experiment: every table as plain rows, written as results.json, variants.csv and report.md."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, get_args

import numpy as np

from nmevision.data.uci_dermatology import (
    CITATION,
    FILE,
    LICENCE,
    Merge,
    UciDermatology,
    read_uci_dermatology,
)
from nmevision.evaluation.intervals import Interval
from nmevision.files import sha256_of, write_csv, write_json, write_text
from nmevision.journeys.uci.baselines import baselines
from nmevision.journeys.uci.curves import DRAWS, crossing, learning_curve, sweeps
from nmevision.journeys.uci.designs import (
    DoubleHidden,
    Method,
    double_hidden,
    first_trial_method,
    method_of,
    naive,
)
from nmevision.journeys.uci.page import page
from nmevision.journeys.uci.scorer import Rivals, Setting
from nmevision.journeys.uci.study import Study, study_of
from nmevision.journeys.uci.variants import all_variants, leave_one_disease_out
from nmevision.knowledge.building import model_of_profiles
from nmevision.knowledge.loading import load_knowledge
from nmevision.knowledge.observations import from_grades
from nmevision.knowledge.tables import Knowledge

PERMUTATIONS = 100
CHECKED_WITH = 1000
"""Permutations of the check: a disease at its limit beats 100 permuted texts or not by the luck of the draw."""
IMPROVED: tuple[Setting, Rivals] = (Setting(known="histogram"), "known+mimics")
"""The variant that the further tables use: every disease without patients has its text too (KNOWLEDGE, section 4.2).
Not the best of all variants, so that the tables do not rest on the best of a thousand."""
CLINICAL_TOO = "improved, clinical findings too"
METHODS: Mapping[str, Method] = {
    "first trial": first_trial_method,
    "profile model": method_of(Setting(), "known max"),
    "improved": method_of(*IMPROVED),
    "improved, tags unseen": method_of(Setting(known="histogram", reading="tau learned"), "known+mimics"),
}
"""first trial: normal, one shrunk covariance. profile model: `ProfileModel` as it comes, s_c - max(known)."""
WHAT = {
    "first trial": "normal densities about text or class mean, one shrunk covariance, s_c - max(known), as in KNOWLEDGE 4.2",
    "profile model": "ordinal likelihood, spread by evidence tag, known diseases as updated models, s_c - max(known)",
    "improved": "the same likelihood; known diseases as smoothed histograms; the score is set against the sum of the "
    "known diseases and the texts of all diagnoses that are none of the six",
    CLINICAL_TOO: "as improved, with the clinical findings of table and knowledge as well",
    "improved, tags unseen": "as improved, with one spread for all cells of a text, learned from the known diseases",
}
PRINTED = {
    "psoriasis": (1.000, 0.927, 0.998),
    "seborrheic_dermatitis": (0.348, 0.349, 0.536),
    "lichen_planus": (1.000, 0.996, 1.000),
    "pityriasis_rosea": (0.695, 0.352, 0.274),
    "eczema:chronic": (0.968, 0.746, 0.989),
    "pityriasis_rubra_pilaris": (0.985, 0.728, 0.986),
}
"""First trial, KNOWLEDGE section 4.2: double-hidden AUROC, its permuted 95th percentile, naive novelty alone.
It used all 22 histologic attributes; our knowledge has no finding for two of them (exocytosis, saw-tooth ridges)."""
NAIVE_PRINTED = {
    "psoriasis": (0.839, 1.000),
    "seborrheic_dermatitis": (0.016, 0.888),
    "lichen_planus": (0.986, 1.000),
    "pityriasis_rosea": (0.633, 0.979),
    "eczema:chronic": (0.846, 1.000),
    "pityriasis_rubra_pilaris": (0.800, 1.000),
}
"""First trial: recall and AUROC of the naive test."""

Rows = list[dict[str, Any]]


def run(folder: Path, out: Path, note: Callable[[str], None] = print, seed: int = 0) -> dict[str, Any]:
    """Run everything on the table in `folder`, write results.json, variants.csv and report.md to `out`, return it all.

    note: called with a line as each part begins.

    Raises:
        DataError: the table is not there or broken.
    """
    table, knowledge = read_uci_dermatology(folder), load_knowledge()
    studies: dict[str, Study] = {merge: study_of(table, knowledge, merge) for merge in get_args(Merge)}
    study = studies[IMPROVED[0].merge]
    results: dict[str, Any] = {
        "about": about(table, study, knowledge, sha256_of(Path(folder) / FILE), seed),
        "methods": WHAT,
    }
    note("patients alone: five classifiers, 3 x 10 folds")
    results["baselines"] = [asdict(row) for row in baselines(table, seed)]
    results["texts_alone"] = texts_alone(study, knowledge)
    note("naive and double-hidden tests with permuted texts")
    results["naive"] = {name: naive_rows(study, METHODS[name], seed) for name in ("first trial", "improved")}
    results["double_hidden"] = {name: hidden_rows(study, method, seed) for name, method in METHODS.items()}
    both = study_of(table, knowledge, IMPROVED[0].merge, ("histology", "clinical"))
    results["double_hidden"][CLINICAL_TOO] = hidden_rows(both, METHODS["improved"], seed)
    note("every variant")
    variants = all_variants(studies)
    results |= _variants(variants, study)
    note("learning curve and sweeps")
    points = learning_curve(study, *IMPROVED, seed=seed)
    results["learning_curve"] = {"draws": DRAWS, "points": [asdict(point) for point in points]}
    results["crossing"] = {disease: crossing(points, disease) for disease in study.diseases}
    results["sweeps"] = [asdict(point) for point in sweeps(table, knowledge, *IMPROVED, seed=seed)]
    write_csv(Path(out) / "variants.csv", variants)
    write_json(Path(out) / "results.json", results)
    write_text(Path(out) / "report.md", page(results))
    return results


def about(
    table: UciDermatology, study: Study, knowledge: Knowledge, fingerprint: str, seed: int
) -> dict[str, Any]:
    """Return what was used: patients, findings, texts and their fingerprints."""
    sizes = np.bincount(table.disease, minlength=len(table.diseases)).tolist()
    return {
        "n": len(table.disease),
        "patients": dict(zip(table.diseases, sizes, strict=True)),
        "licence": LICENCE,
        "citation": CITATION,
        "sha256": fingerprint,
        "knowledge": knowledge.fingerprint,
        "findings": list(study.findings),
        "mimics": list(study.mimic_keys),
        "seed": seed,
    }


def naive_rows(study: Study, method: Method, seed: int) -> Rows:
    """Return the naive table beside what the first trial printed."""
    rows = []
    for row in naive(study, method, PERMUTATIONS, seed):
        recall, auroc = NAIVE_PRINTED[row.disease]
        printed = {
            "printed_recall": recall,
            "printed_auroc": auroc,
            "printed_novelty": PRINTED[row.disease][2],
        }
        rows.append(asdict(row) | printed)
    return rows


def hidden_rows(study: Study, method: Method, seed: int) -> dict[str, Any]:
    """Return the double-hidden table of one method, its mean and how many diseases beat their permutations."""
    checked = double_hidden(study, method, CHECKED_WITH, seed)
    found = replace(checked, permuted=checked.permuted[..., :PERMUTATIONS])
    rows = [
        _hidden_row(study, found, c) | {"p": float(checked.p[c]), "limit_checked": float(checked.limits[c])}
        for c in range(len(study.diseases))
    ]
    return {
        "rows": rows,
        "pairs": {
            disease: {d: _number(found.auroc[c, i]) for i, d in enumerate(study.diseases)}
            for c, disease in enumerate(study.diseases)
        },
        "n_patients": len(study.disease),
        "n_findings": len(study.findings),
        "mean": float(found.of_disease.mean()),
        "interval": _limits(found.mean_interval),
        "permutations": PERMUTATIONS,
        "beaten": found.beaten,
        "permutations_checked": CHECKED_WITH,
        "beaten_checked": checked.beaten,
    }


def _hidden_row(study: Study, found: DoubleHidden, c: int) -> dict[str, Any]:
    printed, printed_limit, _ = PRINTED[study.diseases[c]]
    worst = int(np.nanargmin(found.auroc[c]))
    return {
        "disease": study.diseases[c],
        "n_positive": int((study.disease == c).sum()),
        "n_negative": int((study.disease != c).sum()),
        "auroc": float(found.of_disease[c]),
        "interval": _limits(found.intervals[c]),
        "worst": float(found.auroc[c, worst]),
        "worst_against": study.diseases[worst],
        "permuted_mean": float(found.of_permuted[c].mean()),
        "permuted_limit": float(found.limits[c]),
        "other_profile": float(np.nanmean(found.other_profile[c])),
        "all_ones": float(np.nanmean(found.all_ones[c])),
        "both_texts": float(np.nanmean(found.both[c])),
        "both_texts_worst": float(np.nanmin(found.both[c])),
        "printed": printed,
        "printed_limit": printed_limit,
    }


def texts_alone(study: Study, knowledge: Knowledge) -> dict[str, Any]:
    """Return how many patients the six texts put right without a single patient: `ProfileModel`, even prior."""
    cells = {p.key: {f: str(p.cells[f]) for f in study.findings} for p in knowledge.profiles_of("histology")}
    model = model_of_profiles(
        {key: cells[key] for key in study.diseases}, findings=study.findings, with_other=False
    )
    right = model.posterior(from_grades(study.grades)).argmax(axis=1) == study.disease
    each = {d: float(right[study.disease == i].mean()) for i, d in enumerate(study.diseases)}
    return {
        "n": len(right),
        "accuracy": float(right.mean()),
        "balanced": float(np.mean(list(each.values()))),
        "recall": each,
    }


def _variants(variants: Any, study: Study) -> dict[str, Any]:
    """Return how many variants there are, the best of them, and the choices that leave one disease out."""
    eligible = variants[variants["against_known"]]
    blind = variants[~variants["uses_tags"]]
    factors = ("merge", "reading", "known", "dependence", "rivals")
    chosen = leave_one_disease_out(variants, study.diseases)
    unseen = leave_one_disease_out(blind, study.diseases)
    return {
        "variants": {
            "n": len(variants),
            "n_against_known": len(eligible),
            "best": eligible.head(5).to_dict("records"),
            "best_of_all": variants.head(1).to_dict("records"),
            "factors": {
                factor: [
                    {
                        "level": level,
                        "n": len(part),
                        "mean": float(part["mean"].mean()),
                        "best": float(part["mean"].max()),
                    }
                    for level, part in eligible.groupby(factor)
                ]
                for factor in factors
            },
        },
        "left_out": [asdict(row) for row in chosen],
        "left_out_mean": float(np.mean([row.auroc for row in chosen])),
        "left_out_blind": [asdict(row) for row in unseen],
        "left_out_blind_mean": float(np.mean([row.auroc for row in unseen])),
    }


def _limits(interval: Interval) -> list[float] | None:
    return None if interval.reason else [interval.low, interval.high]


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
