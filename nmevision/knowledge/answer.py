"""The answer to one case, in levels: groups first, then members, then why, and what it does not say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from nmevision.knowledge import answer_words as words
from nmevision.knowledge.answer_records import (
    Answer,
    GroupAnswer,
    LookNext,
    MemberAnswer,
    Observed,
    Reason,
    Step,
)
from nmevision.knowledge.building import model_of_knowledge
from nmevision.knowledge.clinical_data import (
    ClinicalData,
    Members,
    is_site_or_history,
    member_posterior,
)
from nmevision.knowledge.evidence import expected_information, weights_of_evidence
from nmevision.knowledge.model import ProfileModel
from nmevision.knowledge.novelty import NOVEL_BELOW, tail_probabilities
from nmevision.knowledge.observations import Floats, is_missing
from nmevision.knowledge.prior import Prior
from nmevision.knowledge.tables import FIELDS, Knowledge, Modality

FOCUS = "necrolytic"
"""The group that this project is about; H&E does not tell its members apart."""
DRAWS = 200
"""Sets of profiles drawn within their tau for the ranges (5th to 95th percentile)."""
SEED = 0
EITHER_FIELD = (("horn", "whole_epidermis"), ("papillary_dermis", "upper_dermis"))
"""Histology abstains where neither the horn nor the papillary dermis is in the field (the project's knowledge base, section 1.3)."""


class Reasoner:
    """Answers cases of one modality with one knowledge and one prior."""

    def __init__(
        self,
        knowledge: Knowledge,
        modality: Modality,
        prior: Prior | None = None,
        model: ProfileModel | None = None,
    ) -> None:
        """Make the model and draw its profiles once. model: one updated with cases, over the same findings."""
        self.knowledge = knowledge
        self.modality = modality
        self.prior = prior or Prior()
        self.model = model or model_of_knowledge(knowledge, modality)
        self.weights = self.prior.over_classes(self.model)
        self._tables = self.model.draw_tables(DRAWS, SEED)

    def answer(self, case: Observed) -> Answer:
        """Return the answer to one case; it abstains where the field or the grades are too little."""
        evidence = self._assessable(case)
        graded = [self.model.findings[j] for j in np.flatnonzero(~is_missing(evidence)[0])]
        lacking = self._lacking(graded, case.fields)
        n, of = len(graded), len(self.model.findings)
        blank = Answer(case.id, self.modality, "abstained", words.ABSTAINED, lacking, n, of)
        if lacking:
            return blank
        groups = self._groups(evidence)
        leader, rival = groups[0].key, groups[1].key
        clinical = self._clinical(case, evidence, graded)
        focus = next(group for group in groups if group.key == FOCUS)
        kept = focus.probability >= words.KEPT_IN_MIND
        fit = float(tail_probabilities(self.model, evidence)[0])
        return replace(
            blank,
            status="answered",
            headline=words.headline(groups, focus, self.modality),
            message=words.misfit(fit) if fit < NOVEL_BELOW else "",
            groups=groups,
            members=self._members(evidence, groups, clinical),
            leader=leader,
            rival=rival,
            reasons=self._reasons(evidence, leader, rival),
            look_next=self._look_next(evidence),
            clinical=clinical.statements,
            fit=fit,
            caveats=words.caveats(self.knowledge, self.modality, leader == FOCUS, kept),
            workup=self._workup(kept),
            prior=self.prior.in_words(),
        )

    def _assessable(self, case: Observed) -> Floats:
        """Return the evidence with findings missing whose field is known to be absent: missing is not 0."""
        evidence = np.array(case.evidence, dtype=np.float64)
        for j, key in enumerate(self.model.findings):
            needs = self.knowledge.findings[key].needs
            if any(case.fields.get(need) is False for need in needs):
                evidence[:, j] = 1.0
        return evidence

    def _lacking(self, graded: list[str], fields: Mapping[str, bool]) -> str:
        """Return why the case cannot be answered, or ""."""
        if not graded:
            return words.NOTHING_GRADED
        if self.modality != "histology":
            return ""
        needed = {need for key in graded for need in self.knowledge.findings[key].needs}
        present = needed | {key for key, here in fields.items() if here}
        if any(present.intersection(keys) for keys in EITHER_FIELD):
            return ""
        names = FIELDS["histology"]
        return f"Neither the {names['horn']} nor the {names['papillary_dermis']} is in the field{words.BIOPSY_AGAIN}"

    def _groups(self, evidence: Floats) -> tuple[GroupAnswer, ...]:
        """Return the groups, the most probable first."""
        point = (self.model.posterior(evidence, self.weights) @ self.model.members)[0]
        drawn = self.model.posterior_draws(evidence, self.weights, self._tables) @ self.model.members
        low, high = _range(point, drawn)
        about = self.knowledge.groups
        found = [
            GroupAnswer(
                key, about[key].name if key in about else key, about[key].note if key in about else "", *row
            )
            for key, row in zip(self.model.groups, np.stack([point, low, high], axis=1).tolist(), strict=True)
        ]
        return tuple(sorted(found, key=lambda group: -group.probability))

    def _clinical(self, case: Observed, evidence: Floats, graded: list[str]) -> Members:
        """Return the members of the necrolytic group by clinical data alone."""
        seen = dict(case.clinical.findings)
        if self.modality == "clinical":
            own = [key for key in graded if is_site_or_history(self.knowledge.findings[key])]
            seen |= {key: evidence[0, self.model.findings.index(key)] for key in own}
        data = ClinicalData(seen, case.clinical.features, case.clinical.glucagon)
        return member_posterior(self.knowledge, FOCUS, data, self.prior, DRAWS, SEED)

    def _members(
        self, evidence: Floats, groups: tuple[GroupAnswer, ...], clinical: Members
    ) -> tuple[MemberAnswer, ...]:
        """Return the members of every group in the groups' order; those of FOCUS never get a number from H&E."""
        point = self.model.posterior(evidence, self.weights)[0]
        drawn = self.model.posterior_draws(evidence, self.weights, self._tables)
        answers = []
        for group in groups:
            own = [k for k, key in enumerate(self.model.classes) if self.model.group_of[key] == group.key]
            keys = [self.model.classes[k] for k in own]
            within = clinical if group.key == FOCUS else Members({}, {}, {}, ())
            if group.key != FOCUS and len(own) > 1:
                share = drawn[:, own] / drawn[:, own].sum(axis=1, keepdims=True)
                at = point[own] / point[own].sum()
                at_low_high = (at, *_range(at, share))
                named = [dict(zip(keys, row.tolist(), strict=True)) for row in at_low_high]
                within = Members(named[0], named[1], named[2], ())
            found = [self._member(key, group.key, within) for key in keys if key in self.knowledge.diagnoses]
            answers += sorted(found, key=lambda member: -(member.within_group or 0))
        return tuple(answers)

    def _member(self, key: str, group: str, within: Members) -> MemberAnswer:
        """Return what is said of one diagnosis."""
        about = self.knowledge.diagnoses[key]
        number, low, high = (numbers.get(key) for numbers in (within.probabilities, within.low, within.high))
        reason = words.CANNOT_SEPARATE if group == FOCUS else words.ONLY_ONE
        return MemberAnswer(
            key,
            about.name,
            group,
            number,
            low,
            high,
            reason if number is None else "",
            words.separates(about),
            about.next_tests,
        )

    def _reasons(self, evidence: Floats, leader: str, rival: str) -> tuple[Reason, ...]:
        """Return every graded finding, what tells the leader from the rival most first."""
        weights = weights_of_evidence(self.model, evidence, self.weights, leader, rival)
        focus = {
            w.finding: w.decibans for w in weights_of_evidence(self.model, evidence, self.weights, FOCUS)
        }
        names = {key: self.knowledge.findings[key].name for key in self.model.findings}
        return tuple(
            Reason(
                w.finding,
                names[w.finding],
                w.grade,
                w.target_expects,
                w.rival_expects,
                w.decibans,
                focus[w.finding],
            )
            for w in weights
        )

    def _look_next(self, evidence: Floats) -> tuple[LookNext, ...]:
        """Return the ungraded findings, what is expected to tell most first."""
        information = expected_information(self.model, evidence, self.weights)
        return tuple(
            LookNext(i.finding, self.knowledge.findings[i.finding].name, i.bits) for i in information
        )

    def _workup(self, suspected: bool) -> tuple[Step, ...]:
        """Return the next steps: all where the necrolytic pattern is kept in mind, else only biopsies."""
        steps = [
            s for s in self.knowledge.workup if s.key in (words.SUSPECTED if suspected else words.NOT_SEEN)
        ]
        return tuple(Step(s.text, s.when, s.sources) for s in steps)


def _range(point: Floats, drawn: Floats) -> tuple[Floats, Floats]:
    """Return the 5th and 95th percentile of draws (the first axis), widened to hold the point where need be."""
    low, high = np.percentile(drawn, [5, 95], axis=0)
    return np.minimum(low, point), np.maximum(high, point)
