from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as reference

from nmevision.errors import ConfigError, EvaluationError
from nmevision.evaluation.claims import claim
from nmevision.evaluation.intervals import auroc_interval
from nmevision.evaluation.report import EvaluationReport, evaluate
from nmevision.manifest import Manifest, manifest_of
from nmevision.predictions import PredictionTable
from nmevision.taxonomy import taxonomy_from

KEYS = ("nme", "pellagra", "psoriasis", "eczema")
TAXONOMY = taxonomy_from(
    {
        "name": "four",
        "groups": [{"key": key, "name": key} for key in ("necrolytic", "psoriasiform", "spongiotic")],
        "diagnoses": [
            {"key": key, "name": key, "group": group}
            for key, group in zip(
                KEYS, ("necrolytic", "necrolytic", "psoriasiform", "spongiotic"), strict=True
            )
        ],
    },
    "test",
)


def made(
    counts: tuple[int, ...] = (8, 20, 40, 40), images: int = 1, strength: float = 1.5, seed: int = 0
) -> tuple[PredictionTable, Manifest]:
    """Return predictions and labels of sum(counts) patients with `images` images each."""
    generator = np.random.default_rng(seed)
    rows, answers = [], []
    for patient, label in enumerate(np.repeat(np.arange(4), counts)):
        logits = generator.normal(size=4) + strength * (np.arange(4) == label)
        p = np.round(np.exp(logits) / np.exp(logits).sum(), 6)
        for image in range(images):
            identity = f"{patient}-{image}"
            common = {"patient_id": f"P{patient}", "source": "ab"[patient % 2]}
            rows.append({"id": identity, "path": identity, "diagnosis": KEYS[label], **common})
            answers.append(
                {"id": identity, "path": identity, "status": "ok", "message": "", "diagnosis": ""}
                | {f"p_{key}": p[k] for k, key in enumerate(KEYS)}
            )
    return PredictionTable(pd.DataFrame(answers)), manifest_of(rows, Path())


@pytest.fixture(scope="module")
def report() -> EvaluationReport:
    return evaluate(*made(), TAXONOMY, resamples=400)


def test_scores_agree_with_scikit_learn(report: EvaluationReport) -> None:
    table, manifest = made()
    truth = manifest.frame["diagnosis"].to_numpy()
    p = table.probabilities()
    called = np.array(KEYS)[p.argmax(axis=1)]
    expected = {
        ("auroc", "nme"): reference.roc_auc_score(truth == "nme", p[:, 0]),
        ("auprc", "nme"): reference.average_precision_score(truth == "nme", p[:, 0]),
        ("auroc", "eczema"): reference.roc_auc_score(truth == "eczema", p[:, 3]),
        ("auroc", "necrolytic"): reference.roc_auc_score(
            np.isin(truth, ["nme", "pellagra"]), np.round(p[:, :2].sum(axis=1), 6)
        ),
        ("brier", "nme"): reference.brier_score_loss(truth == "nme", p[:, 0]),
        ("accuracy", "all"): reference.accuracy_score(truth, called),
        ("balanced_accuracy", "all"): reference.balanced_accuracy_score(truth, called),
        ("macro_f1", "all"): reference.f1_score(truth, called, average="macro"),
        ("sensitivity", "nme"): reference.recall_score(truth == "nme", called == "nme"),
        ("specificity", "nme"): reference.recall_score(truth != "nme", called != "nme"),
        ("brier", "all"): ((p - (truth[:, None] == np.array(KEYS))) ** 2).sum(axis=1).mean(),
    }
    for (metric, target), value in expected.items():
        assert report.score(metric, target).value == pytest.approx(value, abs=2e-6), metric
    source = manifest.frame["source"] == "a"
    own = reference.roc_auc_score(truth[source] == "nme", p[source, 0])
    assert report.score("auroc", "nme", "a").value == pytest.approx(own)
    assert report.score("auroc", "nme", "a").n_positive == 4


def test_every_score_has_its_n_and_an_interval_around_it(report: EvaluationReport) -> None:
    assert len({(s.metric, s.target, s.source) for s in report.scores}) == len(report.scores)
    for score in report.scores:
        assert score.n_patients > 0
        if score.target != "all":
            assert score.n_positive + score.n_negative == score.n_patients
        if score.metric != "mann_whitney_p":
            assert score.low <= score.value <= score.high, score
            assert score.method
    main = report.headline
    assert (main.metric, main.target, main.n_positive, main.n_negative) == ("auroc", "nme", 8, 100)
    assert main.method == "HM-score"
    assert "under-covers" in report.score("auprc", "nme").method
    assert report.score("auprc", "nme").reference == pytest.approx(8 / 108)
    assert "descriptive" in report.score("sensitivity_at_specificity_0.95", "nme").reason


def test_many_images_per_patient_change_nothing() -> None:
    """The unit is the patient: the same images thrice give the same scores and intervals."""
    once, thrice = (evaluate(*made(images=n), TAXONOMY, resamples=100) for n in (1, 3))
    for single, triple in zip(once.scores, thrice.scores, strict=True):
        assert (triple.value, triple.low, triple.high) == pytest.approx(
            (single.value, single.low, single.high), abs=5e-6, nan_ok=True
        )
        assert triple.n_images == 3 * single.n_images
    assert np.sum(thrice.confusion_images) == 3 * np.sum(once.confusion_patients)


def test_the_order_of_rows_changes_nothing(report: EvaluationReport) -> None:
    table, manifest = made()
    generator = np.random.default_rng(5)
    shuffled = PredictionTable(
        table.frame.iloc[generator.permutation(len(table.frame))].reset_index(drop=True)
    )
    other = replace(
        manifest, frame=manifest.frame.iloc[generator.permutation(len(manifest))].reset_index(drop=True)
    )
    assert evaluate(shuffled, other, TAXONOMY, resamples=400).to_dict() == report.to_dict()


def test_perfect_separation_is_never_one_to_one() -> None:
    found = evaluate(*made((5, 100, 100, 100), strength=40), TAXONOMY, resamples=50)
    main = found.score("auroc", "nme")
    assert (main.value, main.high) == (1.0, 1.0)
    assert main.low == pytest.approx(0.750, abs=1e-3)
    precision = found.score("auprc", "nme")
    assert precision.value == 1.0
    assert np.isnan(precision.low)
    assert "no interval" in precision.reason
    assert found.score("sensitivity", "nme").low == pytest.approx(0.478, abs=5e-4)


def test_an_absent_class_is_nan_with_a_reason() -> None:
    found = evaluate(*made((0, 10, 10, 10)), TAXONOMY, resamples=50)
    for metric in ("auroc", "auprc", "sensitivity", "sensitivity_at_specificity_0.95", "mann_whitney_p"):
        score = found.score(metric, "nme")
        assert np.isnan(score.value)
        assert score.reason == "no positives"
    assert "3 of 4 classes" in found.score("balanced_accuracy").reason
    assert found.claims[0].startswith("No discrimination claim")
    assert any("No patient of: nme" in caveat for caveat in found.caveats)
    content = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    entry = next(s for s in content["scores"] if (s["metric"], s["target"]) == ("auroc", "nme"))
    assert entry["value"] is None
    assert found.curves[0].reason == "no positives"


def test_one_class_alone_is_reported_not_crashed() -> None:
    found = evaluate(*made((0, 0, 6, 0)), TAXONOMY, resamples=50)
    assert np.isnan(found.score("balanced_accuracy").value)
    assert np.isnan(found.score("macro_auroc").value)
    assert found.score("accuracy").n_patients == 6


def test_positive_may_be_a_group_a_spelling_or_none(report: EvaluationReport) -> None:
    table, manifest = made()
    group = evaluate(table, manifest, TAXONOMY, positive="necrolytic", resamples=50)
    assert group.positive == "necrolytic"
    assert group.headline.n_positive == 28
    assert group.headline.value == report.score("auroc", "necrolytic").value
    assert evaluate(table, manifest, TAXONOMY, positive="Eczema", resamples=50).positive == "eczema"
    with pytest.raises(ConfigError, match="did you mean 'psoriasis'"):
        evaluate(table, manifest, TAXONOMY, positive="psoriassis")
    plain = taxonomy_from(
        {
            "name": "x",
            "groups": [{"key": "g", "name": "g"}],
            "diagnoses": [{"key": key, "name": key, "group": "g"} for key in ("p1", "p2")],
        },
        "test",
    )
    with pytest.raises(EvaluationError, match="every diagnosis"):
        evaluate(table, manifest, plain, positive="g")
    renamed = PredictionTable(
        table.frame[["id", "path", "status", "message", "diagnosis"]].assign(p_p1=0.25, p_p2=0.75)
    )
    labels = replace(manifest, frame=manifest.frame.assign(diagnosis=["p1", "p2"] * (len(manifest) // 2)))
    none = evaluate(renamed, labels, plain, resamples=50)
    assert none.positive is None
    assert none.headline.metric == "balanced_accuracy"
    assert none.score("auroc", "p1").value == 0.5  # all scores are tied


def test_confounded_sources_forbid_a_claim() -> None:
    table, manifest = made()
    sources = np.where(manifest.frame["diagnosis"] == "nme", "journal", "clinic")
    found = evaluate(
        table, replace(manifest, frame=manifest.frame.assign(source=sources)), TAXONOMY, resamples=50
    )
    assert any(caveat.startswith("Confounded") for caveat in found.caveats)
    assert found.score("auroc", "nme", "journal").reason == "no negatives"
    assert not any(
        caveat.startswith("Confounded")
        for caveat in evaluate(table, manifest, TAXONOMY, resamples=50).caveats
    )
    named_all = replace(manifest, frame=manifest.frame.assign(source="all"))
    with pytest.raises(EvaluationError, match="rename"):
        evaluate(table, named_all, TAXONOMY)


def test_unanswered_patients_are_counted_as_wrong_in_words() -> None:
    table, manifest = made((10, 10, 10, 10), strength=40)
    table.frame.loc[0, "status"] = "error"
    table.frame.loc[0, [f"p_{key}" for key in KEYS]] = np.nan
    found = evaluate(table, manifest, TAXONOMY, resamples=50)
    assert found.score("accuracy").value == 1.0
    assert found.headline.n_positive == 9
    assert any("39/40 = 0.975" in caveat for caveat in found.caveats)


def test_shared_pattern_is_pointed_out(report: EvaluationReport) -> None:
    assert any("shares group 'necrolytic' with pellagra" in caveat for caveat in report.caveats)


def test_every_positive_is_listed_with_its_rank(report: EvaluationReport) -> None:
    assert len(report.positives) == 8
    wins = sum(100 - row["negatives_as_high"] for row in report.positives)
    assert wins / 800 == pytest.approx(report.headline.value, abs=1e-3)


def test_curves_integrate_to_the_scores(report: EvaluationReport) -> None:
    curve = report.curves[0]
    area = np.trapezoid(curve.roc["true_positive_rate"], curve.roc["false_positive_rate"])
    assert area == pytest.approx(report.score("auroc", "nme").value, abs=1e-5)
    recall, precision = curve.precision_recall["recall"], curve.precision_recall["precision"]
    steps = float(np.sum(np.diff(recall) * np.array(precision[1:])))
    assert steps == pytest.approx(report.score("auprc", "nme").value, abs=1e-5)
    assert sum(sum(counts) for counts in curve.histogram.values()) == 108


def test_wording_follows_n() -> None:
    assert claim(10, 100, 9) == (
        "Feasibility only (10 positive patients): ranked 9 of 10 positives above 95 % of the negatives."
    )
    assert "too few negatives" in claim(3, 12, None)
    assert claim(11, 100, 9).startswith("Preliminary discrimination")
    assert "calibration" not in claim(99, 100, 9)
    assert "calibration" in claim(100, 100, 9)


def test_wording_changes_at_the_limits_of_the_specification() -> None:
    """EVALUATION 2.2: up to 10 feasibility, 11 to 30 preliminary, below 100 no calibration claim."""
    assert claim(1, 100, 1).startswith("Feasibility only (1 positive patient)")
    assert [claim(n, 100, 1).split()[0] for n in (10, 11, 30, 31)] == [
        "Feasibility",
        "Preliminary",
        "Preliminary",
        "Discrimination",
    ]
    for n in (0, 5):
        assert claim(n, 0, None).startswith("No discrimination claim")
    few, many = (evaluate(*made((n, 10, 10, 10)), TAXONOMY, resamples=20).claims for n in (99, 100))
    assert any("No calibration claim (99 positive patients" in sentence for sentence in few)
    assert not any("No calibration claim" in sentence for sentence in many)


def test_the_positive_is_set_against_each_class_alone(report: EvaluationReport) -> None:
    table, manifest = made()
    truth, p = manifest.frame["diagnosis"].to_numpy(), table.probabilities()[:, 0]
    for key, n in (("pellagra", 20), ("psoriasis", 40), ("eczema", 40)):
        own = np.isin(truth, ["nme", key])
        score = report.score(f"auroc_vs_{key}", "nme")
        assert score.value == pytest.approx(reference.roc_auc_score(truth[own] == "nme", p[own]))
        assert (score.n_patients, score.n_positive, score.n_negative) == (8 + n, 8, n)
        assert score.method == "HM-score"


def test_further_scores_and_intervals_stand_in_the_report(report: EvaluationReport) -> None:
    table, manifest = made()
    truth, p = manifest.frame["diagnosis"].to_numpy(), table.probabilities()
    labels = np.array([KEYS.index(key) for key in truth])
    called = p.argmax(axis=1)
    expected = {
        ("mcc", "all"): reference.matthews_corrcoef(labels, called),
        ("nll", "all"): -np.log(p[np.arange(len(p)), labels]).mean(),
        ("brier_skill", "all"): reference.d2_brier_score(labels, p / p.sum(axis=1, keepdims=True)),
        ("partial_auroc_0.10", "nme"): reference.roc_auc_score(truth == "nme", p[:, 0], max_fpr=0.1),
        ("likelihood_ratio_positive", "nme"): reference.class_likelihood_ratios(labels == 0, called == 0)[0],
        ("likelihood_ratio_negative", "nme"): reference.class_likelihood_ratios(labels == 0, called == 0)[1],
    }
    for (metric, target), value in expected.items():
        assert report.score(metric, target).value == pytest.approx(value, abs=2e-5), metric
    rare = report.score("auprc_at_prevalence_0.01", "nme")
    assert rare.value < report.score("auprc", "nme").value
    assert rare.reference == 0.01
    assert [one.method for one in report.headline.secondary] == ["logit-DeLong", "Newcombe method 5"]
    assert [one.method for one in report.score("sensitivity", "nme").secondary] == ["Wilson"]
    entry = next(s for s in json.loads(json.dumps(report.to_dict()))["scores"] if s["metric"] == "auroc")
    assert set(entry["secondary"][0]) == {"low", "high", "method", "reason"}


def test_large_classes_get_logit_delong() -> None:
    table, manifest = made((60, 20, 40, 40))
    found = evaluate(table, manifest, TAXONOMY, resamples=50).headline
    expected = auroc_interval(manifest.frame["diagnosis"] == "nme", table.probabilities()[:, 0])
    assert found.method == "logit-DeLong"
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-5)


def test_an_unknown_score_names_what_there_is(report: EvaluationReport) -> None:
    with pytest.raises(EvaluationError, match=r"known for them: .*auroc"):
        report.score("aucc", "nme")
