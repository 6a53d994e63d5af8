"""What the pages of a report show, in the order of the reporting guidelines; shared by Markdown and HTML."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from nmevision.evaluation.claims import PHANTOM_NOTICE, RESEARCH_ONLY
from nmevision.evaluation.drafts import AGAINST
from nmevision.evaluation.report import EvaluationReport
from nmevision.evaluation.scores import ALL, Score
from nmevision.licences import licence_of
from nmevision.reporting.artefacts import Artefacts
from nmevision.reporting.author import question, template
from nmevision.reporting.checklist import checklist

LISTED = 20
"""Left-out images or patients named on the page; report.json names all."""
MISSING = "(missing)"
Facts = list[tuple[str, str]]


def contents(report: EvaluationReport, artefacts: Artefacts) -> dict[str, Any]:
    """Return everything that both templates show."""
    positive = report.positive
    by_source: dict[str, list[Score]] = {}
    for score in report.scores:
        if score.source != ALL and score.metric in ("auroc", "accuracy", "balanced_accuracy"):
            by_source.setdefault(score.source, []).append(score)
    return {
        "report": report,
        "name": str(artefacts.bundle.get("name") or ""),
        "notice": PHANTOM_NOTICE if report.phantom else "",
        "research_only": RESEARCH_ONLY,
        "headline": report.headline,
        "of_positive": _of(report, positive) if positive else [],
        "against": _against(report),
        "over_all": _of(report, ALL),
        "targets": [t for t in dict.fromkeys(s.target for s in report.scores) if t != ALL],
        "by_source": by_source,
        "lowest_source": _lowest_source(report),
        "composition": _by_class(report),
        "left_out": Counter((entry.unit, entry.kind) for entry in report.left_out),
        "listed": LISTED,
        "identity": _identity(report, artefacts),
        "model": _model(artefacts.model),
        "trained_on": _trained_on(artefacts.model),
        "by_split": _by_split(report),
        "licences": _licences(report.data.licences),
        "shortcuts": artefacts.shortcuts,
        "shortcuts_note": artefacts.shortcuts_note,
        "said": artefacts.author.said,
        "answered": [key for key in type(artefacts.author).model_fields if artefacts.author.said(key)],
        "asked": question,
        "checklist": checklist(report, artefacts),
        "to_fill_in": template(artefacts.author.missing()),
    }


def _of(report: EvaluationReport, target: str) -> list[Score]:
    """Return the scores of one target over all sources, without those against single classes."""
    own = (score for score in report.scores if (score.target, score.source) == (target, ALL))
    return [score for score in own if not score.metric.startswith(AGAINST)]


def _against(report: EvaluationReport) -> list[tuple[str, Score]]:
    """Return the positive's AUROC against each class alone, hardest first, those not estimable last."""
    found = [(s.metric.removeprefix(AGAINST), s) for s in report.scores if s.metric.startswith(AGAINST)]
    return sorted(found, key=lambda pair: (pair[1].value != pair[1].value, pair[1].value, pair[0]))


def _lowest_source(report: EvaluationReport) -> Score | None:
    """Return the positive's AUROC in the source where it is lowest, None where it is known in fewer than two."""
    areas = [s for s in report.scores if s.metric == "auroc" and s.target == report.positive]
    known = [s for s in areas if s.source != ALL and s.value == s.value]
    return min(known, key=lambda s: (s.value, s.source)) if len(known) > 1 else None


def _by_class(report: EvaluationReport) -> list[dict[str, Any]]:
    """Return the composition with one row per class, its sources and a last row of sums."""
    numbers = ("patients", "images", "patients_unanswered", "images_unanswered")
    rows = []
    for key in report.classes:
        own = [row for row in report.composition if row["diagnosis"] == key]
        sources = ", ".join(f"{row['source']} {row['patients']}" for row in own)
        rows.append(
            {"diagnosis": key, "sources": sources} | {name: sum(row[name] for row in own) for name in numbers}
        )
    total = {name: sum(row[name] for row in rows) for name in numbers}
    return [*rows, {"diagnosis": "all", "sources": "", **total}]


def _by_split(report: EvaluationReport) -> list[tuple[str, str, list[dict[str, Any]]]]:
    """Return the labelled rows of the manifest as diagnosis, split and what each source gives."""
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in report.data.rows:
        found.setdefault((row["diagnosis"], row["split"]), []).append(row)
    return [(*key, rows) for key, rows in found.items()]


def _told(pairs: Iterable[tuple[str, object]]) -> Facts:
    """Return the facts that say something, as texts."""
    return [(name, str(value)) for name, value in pairs if value not in (None, "", {}, [], ())]


def _identity(report: EvaluationReport, artefacts: Artefacts) -> Facts:
    """Return what this is a report of, and how it can be made again."""
    bundle, model, run, author = artefacts.bundle, artefacts.model, artefacts.run, artefacts.author
    corrected = ", ".join(f"{key} in {n} images" for key, n in (run.get("corrected") or {}).items())
    return [
        *_told(
            [
                ("model", bundle.get("name")),
                ("SHA-256 of the model's record", bundle.get("hash")),
                ("modality", bundle.get("modality")),
                ("trained", model.get("created")),
                ("configuration", (model.get("training") or {}).get("fingerprint")),
                ("predicted", run.get("finished")),
                ("corrected by hand, so no longer the model's alone", corrected),
            ]
        ),
        ("licence of the model", author.said("model_licence") or MISSING),
        ("contact", author.said("contact") or MISSING),
        *_told((f"SHA-256 of the {name}", artefacts.inputs.get(name)) for name in ("predictions", "manifest", "taxonomy")),
        ("seed, resamples of the intervals", f"{report.seed}, {report.resamples}"),
        ("nmevision", report.version),
    ]  # fmt: skip


def _model(model: Mapping[str, Any]) -> Facts:
    """Return network, preprocessing and training as the bundle's record tells them."""
    if not model:
        return []
    network, frame, training = (model.get(key) or {} for key in ("network", "preprocessing", "training"))
    config, validation, fusion = (
        training.get("config") or {},
        model.get("validation") or {},
        model.get("fusion"),
    )
    learning = config.get("train") or {}
    hyper = (
        "epochs",
        "batch_size",
        "lr",
        "weight_decay",
        "layer_decay",
        "freeze_layers",
        "balance",
        "ema",
        "mixup",
    )
    said = ", ".join(f"{key} {learning[key]}" for key in hyper if key in learning)
    pooled = fusion and f"learned {fusion['learned']:.2f}, cited profiles {fusion['knowledge']:.2f}"
    return _told(
        [
            ("encoder", network.get("backbone")),
            ("starting weights", network.get("weights_from")),
            ("their licence", network.get("weights_licence") or "not stated"),
            ("input", f"{frame.get('width')} x {frame.get('height')} pixels, {frame.get('fit')}"),
            ("looks averaged", network.get("views")),
            ("outputs", ", ".join(f"{task} {n}" for task, n in (network.get("tasks") or {}).items())),
            ("training", said),
            ("seed", config.get("seed")),
            ("epoch kept", f"{validation.get('epoch', '?')} of {validation.get('epochs', '?')}"),
            ("temperature", f"{model['temperature']:.3f}" if "temperature" in model else None),
            ("weights of the two routes", pooled),
            ("known from the literature alone", ", ".join(model.get("unlearned") or ())),
            ("configurations tried on its manifest", training.get("configurations_tried")),
            ("training manifest", training.get("manifest")),
            ("SHA-256 of the knowledge tables at training", training.get("knowledge")),
            ("versions", ", ".join(f"{k} {v}" for k, v in (model.get("versions") or {}).items())),
        ]
    )


def _trained_on(model: Mapping[str, Any]) -> dict[str, Any]:
    """Return the model's own splits, and per diagnosis the patients and images in each; {} where it tells none."""
    counts = (model.get("training") or {}).get("counts") or {}
    keys = dict.fromkeys(key for found in counts.values() for key, n in found.items() if n["images"])
    cells = {
        key: [
            f"{n['patients']} ({n['images']})" if (n := found.get(key)) and n["images"] else "–"
            for found in counts.values()
        ]
        for key in keys
    }
    return {"splits": list(counts), "rows": cells} if cells else {}


def _licences(images: Mapping[str, int]) -> list[tuple[str, int, str]]:
    """Return each licence of the evaluated images, how many stand under it, and what it asks."""
    rows = []
    for name, n in images.items():
        found = licence_of(name) if name else None
        rows.append((name or "not stated", n, found.condition if found else "not known here"))
    return rows
