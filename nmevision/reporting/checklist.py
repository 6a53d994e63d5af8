"""The reporting items of CLAIM, STARD-AI, TRIPOD+AI and CLEAR Derm: which the report fills, which are gaps.

The wording is the project's own. CLAIM 2024 (Tejani et al., Radiol Artif Intell), STARD-AI 2025, TRIPOD+AI 2024
(BMJ 385:e078378), CLEAR Derm (Daneshjou et al. 2022).
"""

from __future__ import annotations

from dataclasses import dataclass

from nmevision.evaluation.report import EvaluationReport
from nmevision.reporting.artefacts import Artefacts

GUIDELINES = ("CLAIM", "STARD-AI", "TRIPOD+AI", "CLEAR Derm")
NO_RECORD = "run.json beside the predictions says nothing of it: predict again with this version"
NO_POSITIVE = "no positive class is declared"


@dataclass(frozen=True)
class Item:
    """One thing that a guideline asks for.

    asked_by: a letter per guideline (C, S, T, D). section: where it stands in the report. fact: what must be
    known for it, a key of `unknown_facts`. author: the statements it needs.
    """

    block: str
    text: str
    asked_by: str
    section: str
    fact: str = ""
    author: tuple[str, ...] = ()


@dataclass(frozen=True)
class Answered:
    """An item, and what is still missing: of the artefacts (as reasons) and of the authors (as keys)."""

    item: Item
    unknown: tuple[str, ...]
    author: tuple[str, ...]

    @property
    def filled(self) -> bool:
        """Return whether nothing is missing."""
        return not self.unknown and not self.author

    @property
    def guidelines(self) -> str:
        """Return who asks for it."""
        return ", ".join(
            name for name, letter in zip(GUIDELINES, "CSTD", strict=True) if letter in self.item.asked_by
        )


ITEMS = (
    Item("identity", "model, version, configuration hash, date", "CST", "identity", "model"),
    Item("identity", "licence of the model, contact", "CST", "identity", "", ("model_licence", "contact")),
    Item("use", "intended use, users, setting, out of scope", "CSTD", "use", "", ("intended_use", "intended_users", "setting", "out_of_scope")),
    Item("use", "predictive values and number needed at stated prevalences, net benefit", "STD", "decisions", "positive"),
    Item("data", "sources, licences, flow of patients and images", "CSTD", "data"),
    Item("data", "collection, dates, eligibility", "CSTD", "data", "", ("collection", "eligibility")),
    Item("data", "patients and images per class, split and source, missing metadata", "CSTD", "data"),
    Item("data", "demographics: age, sex, skin tone, site", "CSTD", "data", "demographics"),
    Item("data", "image acquisition and de-identification", "CSD", "data", "", ("acquisition",)),
    Item("data", "duplicates, overlap with the encoder's pretraining", "CSTD", "data", "", ("duplicates", "pretraining_overlap")),
    Item("reference", "reference standard of every label", "CSTD", "reference", "", ("reference_standard",)),
    Item("reference", "annotators, blinding, agreement; cause of NME", "CSTD", "reference", "", ("annotators", "nme_cause")),
    Item("model", "encoder, weights and their licence, preprocessing, hyper-parameters, seed", "CSTD", "model", "model"),
    Item("model", "number of configurations tried", "CSTD", "model", "tried"),
    Item("model", "sample size rationale", "CST", "model", "", ("sample_size",)),
    Item("evaluation", "unit of analysis, primary endpoint", "CSTD", "evaluation"),
    Item("evaluation", "when the test set was opened, deviations from the plan", "CSTD", "evaluation", "", ("test_opening",)),
    Item("evaluation", "all metrics with n and interval method, two-by-two table, rule of the call", "CSTD", "evaluation", "positive"),
    Item("evaluation", "calibration", "CSTD", "calibration", "positive"),
    Item("evaluation", "abstention", "CSTD", "abstention", "positive"),
    Item("evaluation", "subgroups, with those not estimable", "CSTD", "subgroups", "subgroups"),
    Item("evaluation", "more than one source (external test)", "CSTD", "evaluation", "sources"),
    Item("evaluation", "comparison with clinicians", "CSTD", "evaluation", "", ("clinicians",)),
    Item("evaluation", "shortcut tests", "CSD", "shortcuts", "shortcuts"),
    Item("evaluation", "failures: every false negative, the surest false positives", "CSD", "failures", "positive"),
    Item("limits", "limitations, what may be claimed at this n", "CSTD", "limits"),
    Item("limits", "privacy, funding, conflicts, registration, availability", "CSTD", "statements", "", ("privacy", "funding", "conflicts", "registration", "availability")),
    Item("limits", "patient and public involvement, equity", "ST", "statements", "", ("involvement", "equity")),
    Item("limits", "environmental cost of training", "", "model", "", ("compute",)),
)  # fmt: skip


def unknown_facts(report: EvaluationReport, artefacts: Artefacts) -> dict[str, str]:
    """Return fact -> why the artefacts do not tell it, "" where they do."""
    sources = {row["source"] for row in report.data.rows} - {""}
    subgroups = report.sections.subgroups if report.sections else ()
    told = sorted(set(report.data.metadata) - {"source"})
    return {
        "": "",
        "positive": "" if report.positive else NO_POSITIVE,
        "model": "" if artefacts.model else NO_RECORD,
        "tried": "" if artefacts.bundle.get("configurations_tried") is not None else NO_RECORD,
        "demographics": ""
        if told
        else "the manifest has no column sex, age, skin_tone, fitzpatrick or site that says anything",
        "subgroups": "" if subgroups else "no attribute of the patients is known, or no positive is declared",
        "sources": "" if len(sources) > 1 else "all patients are of one source, or sources are not stated",
        "shortcuts": ""
        if artefacts.shortcuts is not None
        else "there is no shortcuts.json beside the predictions",
    }


def checklist(report: EvaluationReport, artefacts: Artefacts) -> list[Answered]:
    """Return every item with what it still lacks."""
    unknown = unknown_facts(report, artefacts)
    return [
        Answered(
            item,
            (unknown[item.fact],) if unknown[item.fact] else (),
            tuple(key for key in item.author if not artefacts.author.said(key)),
        )
        for item in ITEMS
    ]
