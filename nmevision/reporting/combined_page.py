"""Patients answered by histology and clinical images together, as a page to read: side by side, then as one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from nmevision.evaluation.claims import PHANTOM_NOTICE, RESEARCH_ONLY
from nmevision.evaluation.truth import counted
from nmevision.knowledge import answer_words as words
from nmevision.knowledge.answer import FOCUS
from nmevision.knowledge.combination_records import Patient, Side, first
from nmevision.knowledge.tables import MODALITIES, Knowledge, Modality
from nmevision.reporting.markdown import cell, table
from nmevision.reporting.reasoning_page import SHOWN_GROUP

INDEPENDENT = (
    "Findings count as independent within a diagnosis and stage, and both modalities given the diagnosis. They are not "
    "quite: pallor, ballooning and necrosis go together, and a severe lesion is severe in both. The answer together is "
    "surer than it should be."
)
PROFILES = (
    "The answer together rests on the graded findings of both, read by the profiles of all diagnoses, also those that a "
    "model was never taught; what a model learned from images beside them stands under its own answer alone."
)
DISAGREE = (
    "The two disagree: they lead to different groups, and each makes the other less expected. Are both of this patient, and "
    "of the same eruption? Read each one before the answer together."
)
NOT_BY_SLIDES = " (H&E cannot tell the members of this group apart)"
TABLE_NOTE = (
    "Each column: the leading group by the graded findings. Disagree: the two lead to different groups and each makes "
    "the other less expected. Each model's own answer stands with its patient."
)
CANNOT_TELL = "Which member it is, these images cannot tell."


def page(
    patients: Sequence[Patient], knowledge: Knowledge, prior: str, counts: Sequence[str], phantom: bool
) -> str:
    """Return combined.md.

    Args:
        patients: in the order of the page.
        knowledge: that answered.
        prior: in words.
        counts: sentences on how many were joined, and what was not.
        phantom: whether a model was trained on synthetic images.
    """
    lines = ["# Histology and clinical images together", ""]
    if phantom:
        lines += [f"**{PHANTOM_NOTICE}**", ""]
    lines += [*(f"- {cell(text)}" for text in counts), "", cell(prior), "", "## All patients", ""]
    lines += table(
        ["patient", "images", "histology", "clinical", "together", "agreement"],
        [_row(patient, knowledge) for patient in patients],
    )
    lines += ["", TABLE_NOTE]
    for patient in patients:
        lines += ["", *_section(patient, knowledge)]
    shown = {group for patient in patients for group in _shown(patient)}
    references = References(knowledge)
    lines += _separates(knowledge, [group for group in knowledge.groups if group in shown], references)
    lines += ["", "## What this does not say", "", *(f"- {cell(text)}" for text in _caveats(patients))]
    lines += ["", "## Next steps to consider", "", *_next_steps(knowledge, FOCUS in shown, references)]
    lines += ["", "## Sources", "", *references.lines()]
    return "\n".join([*lines, "", f"{RESEARCH_ONLY} Knowledge {knowledge.fingerprint[:12]}."]) + "\n"


class References:
    """Numbers the sources in the order in which they are cited."""

    def __init__(self, knowledge: Knowledge) -> None:
        self._sources = knowledge.sources
        self._numbers: dict[str, int] = {}

    def cite(self, keys: Iterable[str]) -> str:
        """Return the numbers of some sources, "–" for none."""
        numbers = [self._numbers.setdefault(key, len(self._numbers) + 1) for key in keys]
        return ", ".join(map(str, numbers)) or "–"

    def lines(self) -> list[str]:
        """Return all that were cited."""
        return [f"- {n}. {cell(self._sources[key].citation)}" for key, n in self._numbers.items()]


def _row(patient: Patient, knowledge: Knowledge) -> list[str]:
    """Return a patient's line of the table of all."""
    alone = [
        _leader(patient.sides[key].groups if key in patient.sides else {}, knowledge) for key in MODALITIES
    ]
    return [
        cell(patient.id),
        patient.modalities,
        *alone,
        _leader(patient.groups, knowledge),
        f"**{patient.agreement}**" if patient.agreement == "disagree" else patient.agreement or "–",
    ]


def _sorted(shares: Mapping[str, float]) -> list[str]:
    return sorted(shares, key=lambda key: -shares[key])


def _leader(groups: Mapping[str, float], knowledge: Knowledge) -> str:
    key = first(groups)
    return f"{cell(_group(key, knowledge))} {cell(words.number(groups[key]))}" if key else "–"


def _group(key: str, knowledge: Knowledge) -> str:
    return knowledge.groups[key].name if key in knowledge.groups else key


def _section(patient: Patient, knowledge: Knowledge) -> list[str]:
    """Return what is said of one patient: the answer, each modality, groups, members."""
    lines = [f"## {cell(patient.id)}", "", f"**{cell(_headline(patient, knowledge))}**", "", *_notes(patient)]
    lines += [f"- {_own_words(m, side, knowledge)}" for m, side in patient.sides.items()]
    if not patient.groups:
        return lines
    leaders = {FOCUS, patient.group, *(first(patient.sides[m].groups) for m in patient.answered)}
    listed = [key for key in _sorted(patient.groups) if key in leaders or patient.groups[key] >= SHOWN_GROUP]
    rows = [
        [
            cell(_group(key, knowledge)),
            *(
                _number(patient.sides[m].groups.get(key) if m in patient.answered else None)
                for m in MODALITIES
            ),
            _number(patient.groups[key]),
        ]
        for key in listed
    ]
    lines += ["", *table(["group, by the findings", *MODALITIES, "together"], rows)]
    for key in _shown(patient):
        lines += ["", *_members(patient, key, knowledge)]
    return lines


def _headline(patient: Patient, knowledge: Knowledge) -> str:
    """Return the answer in a sentence or two: the leading group, and what it means for NME."""
    if not patient.groups:
        return words.ABSTAINED
    leader, focus = patient.group, patient.groups[FOCUS]
    said = f"Most probable: {_group(leader, knowledge)}, {words.number(patient.groups[leader])}."
    if leader == FOCUS:
        return said if patient.diagnosis else f"{said} {CANNOT_TELL}"
    seen = words.UNDECIDED if focus >= words.KEPT_IN_MIND else words.NEGATIVE
    return f"{said} {seen}: {words.number(focus)}; not excluded."


def _notes(patient: Patient) -> list[str]:
    """Return what the reader must see before the numbers."""
    if patient.agreement == "disagree":
        return [f"> {DISAGREE} Conflict: {patient.conflict:.1f} bits.", ""]
    if len(patient.answered) == 1:
        return [f"> Only {patient.answered[0]} images: this is their answer alone.", ""]
    return []


def _own_words(modality: Modality, side: Side, knowledge: Knowledge) -> str:
    """Return a model's own answer in words."""
    if not side.answered:
        return f"{modality}: none of {counted(side.samples, 'image')} answered"
    about = knowledge.diagnoses.get(side.diagnosis)
    limit = NOT_BY_SLIDES if modality == "histology" and about and about.group == FOCUS else ""
    return (
        f"{modality}: {side.answered} of {counted(side.samples, 'image')} answered; the model's own answer: "
        f"{cell(_group(side.group, knowledge))} {_number(side.p_group)}, then "
        f"{cell(about.name if about else side.diagnosis)} {_number(side.p_diagnosis)}{limit}"
    )


def _number(value: float | None) -> str:
    return "–" if value is None else cell(words.number(value))


def _shown(patient: Patient) -> list[str]:
    """Return the groups whose members stand on the page, the most probable first."""
    members = set(patient.group_of.values())
    least = {FOCUS: words.KEPT_IN_MIND}
    return [
        key
        for key in _sorted(patient.groups)
        if key in members and patient.groups[key] >= least.get(key, SHOWN_GROUP)
    ]


def _members(patient: Patient, group: str, knowledge: Knowledge) -> list[str]:
    """Return the members of a group with their shares, or why they have none."""
    own = [key for key in knowledge.diagnoses if patient.group_of.get(key) == group]
    if len(own) < 2:
        return []
    heading = f"### Members: {cell(_group(group, knowledge))}"
    if group == FOCUS and not any(key in patient.diagnoses for key in own):
        text = words.NO_SITES if "clinical" in patient.answered else words.NOT_SEPARABLE
        return [heading, "", cell(text)]
    shares = {key: patient.diagnoses[key] / patient.groups[group] for key in own}
    rows = [
        [cell(knowledge.diagnoses[key].name), _number(share)]
        for key, share in sorted(shares.items(), key=lambda item: -item[1])
    ]
    told = (
        ["By clinical findings of place and history alone, given this pattern.", ""] if group == FOCUS else []
    )
    return [heading, "", *told, *table(["member", "within the group"], rows)]


def _separates(knowledge: Knowledge, groups: Iterable[str], references: References) -> list[str]:
    """Return what tells the members of each group apart; nothing for a group of one."""
    lines: list[str] = []
    for group in groups:
        own = [about for about in knowledge.diagnoses.values() if about.group == group]
        if len(own) > 1:
            rows = [
                [
                    cell(about.name),
                    cell(words.separates(about)) or "–",
                    cell("; ".join(about.next_tests)) or "–",
                    references.cite(about.sources),
                ]
                for about in own
            ]
            lines += ["", f"## What tells the members apart: {cell(_group(group, knowledge))}", ""]
            lines += table(["member", "what tells it", "next tests", "sources"], rows)
    return lines


def _next_steps(knowledge: Knowledge, suspected: bool, references: References) -> list[str]:
    """Return the steps: all where the necrolytic pattern is kept in mind for any patient, else only biopsies."""
    keys = words.SUSPECTED if suspected else words.NOT_SEEN
    return [
        f"- {cell(step.text)} When: {cell(step.when)}. ({references.cite(step.sources)})"
        for step in knowledge.workup
        if step.key in keys
    ]


def _caveats(patients: Sequence[Patient]) -> list[str]:
    """Return what the reader must know."""
    leads = {patient.group for patient in patients if patient.group}
    negative = [words.NOT_EXCLUDED] if leads - {FOCUS} else []
    cause = [words.ONE_SECTION] if FOCUS in leads else []
    return [PROFILES, INDEPENDENT, *cause, *negative, words.NOT_VALIDATED]
