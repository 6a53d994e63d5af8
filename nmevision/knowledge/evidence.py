"""Why: the weight of each finding for an answer, and which finding to look at next."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp, xlogy

from nmevision.errors import ConfigError, did_you_mean
from nmevision.grades import expected_grade
from nmevision.knowledge.model import ProfileModel, normalised
from nmevision.knowledge.observations import Bools, Floats, is_missing

Ints = NDArray[np.int64]

DECIBANS = 10 / np.log(10)
"""Decibans in one nat: 10 decibans are odds of 10 to 1 (Good 1979, doi:10.1093/biomet/66.2.393)."""
REST = "all others"
"""Stands for everything but the target."""


@dataclass(frozen=True)
class Weight:
    """What one graded finding does to the odds of `target` against `rival`."""

    finding: str
    grade: float
    """The grade that was seen (its mean where it is uncertain)."""
    decibans: float
    """Positive: speaks for the target. The odds with this finding over those without it, all else being known."""
    target_expects: float
    """Mean grade expected by the target, given the other findings."""
    rival_expects: float


@dataclass(frozen=True)
class Information:
    """What an ungraded finding is expected to tell about the group."""

    finding: str
    bits: float


def weights_of_evidence(
    model: ProfileModel, evidence: Floats, prior: Floats, target: str, rival: str = REST
) -> list[Weight]:
    """Return the weight of every graded finding of one case, the strongest first.

    The weight is 10 log10 of the odds of target to rival with all findings, over the odds without this one. For two
    diagnoses without stages that is the log likelihood ratio of the finding. Where stages or several
    diagnoses stand behind a name, findings help one another and the weights need not add up.

    Args:
        model: the profiles.
        evidence: 1 x J x 4 from `observations`.
        prior: K numbers > 0 over `model.classes`.
        target: a group or a class.
        rival: another group or class, or REST.

    Raises:
        ConfigError: a name that is neither.
    """
    by_finding = model.finding_log_likelihoods(evidence)[0]
    total = by_finding.sum(axis=0)
    graded = np.flatnonzero(~is_missing(evidence)[0])
    left = total - by_finding[graded]
    both = model.over_stages(np.vstack([total, left])) + np.log(prior)
    for_target = _classes(model, target)
    for_rival = ~for_target if rival == REST else _classes(model, rival)
    odds = logsumexp(both[:, for_target], axis=1) - logsumexp(both[:, for_rival], axis=1)
    weights = DECIBANS * (odds[0] - odds[1:])
    shown = expected_grade(evidence[0] / evidence[0].sum(axis=-1, keepdims=True))
    joint = _component_joint(model, left, prior)
    means = [_expected(model, joint, graded, classes) for classes in (for_target, for_rival)]
    found = [
        Weight(model.findings[j], float(shown[j]), float(w), float(t), float(r))
        for j, w, t, r in zip(graded, weights, *means, strict=True)
    ]
    return sorted(found, key=lambda weight: -abs(weight.decibans))


def expected_information(model: ProfileModel, evidence: Floats, prior: Floats) -> list[Information]:
    """Return how many bits each ungraded finding of one case is expected to tell about its group, most first.

    The mutual information of group and grade, H(group) + H(grade) - H(group and grade), given what was seen.

    Args:
        model: the profiles.
        evidence: 1 x J x 4 from `observations`.
        prior: K numbers > 0 over `model.classes`.
    """
    joint = _component_joint(model, model.component_log_likelihoods(evidence), prior)
    by_component = normalised(joint)[0]
    missing = np.flatnonzero(is_missing(evidence)[0])
    in_group = model.members[_class_of_component(model)]
    both = np.einsum("c,ck,cjg->kjg", by_component, in_group, model.table[:, missing])
    group, grade = both.sum(axis=-1, keepdims=True), both.sum(axis=0)
    nats = _entropy(group, (0, 2)) + _entropy(grade, 1) - _entropy(both, (0, 2))
    bits = np.maximum(nats / np.log(2), 0)
    found = [Information(model.findings[j], float(b)) for j, b in zip(missing, bits, strict=True)]
    return sorted(found, key=lambda information: -information.bits)


def _entropy(p: Floats, axes: int | tuple[int, ...]) -> Floats:
    """Return the entropy in nats of probabilities over some axes."""
    return -np.asarray(xlogy(p, p).sum(axis=axes))


def _classes(model: ProfileModel, name: str) -> Bools:
    """Return which of the K classes a group or class name means."""
    if name in model.groups:
        return model.members[:, model.groups.index(name)] > 0
    if name in model.classes:
        return np.array([key == name for key in model.classes])
    known = [*model.groups, *model.classes]
    raise ConfigError(f"'{name}' is no group or diagnosis of the model{did_you_mean(name, known)}")


def _class_of_component(model: ProfileModel) -> Ints:
    """Return the number of the class of each of the C' components."""
    owner = np.empty(model.table.shape[0], dtype=np.int64)
    for k, stages in enumerate(model.stages_of.values()):
        owner[stages] = k
    return owner


def _component_joint(model: ProfileModel, log_likelihoods: Floats, prior: Floats) -> Floats:
    """Return ln P(component, findings), ... x C', from the log likelihoods of the components."""
    stages = np.append(model.stage_weights, [1.0] * model.with_other)
    return np.asarray(log_likelihoods + np.log(stages) + np.log(prior)[_class_of_component(model)])


def _expected(model: ProfileModel, joint: Floats, graded: Ints, classes: Bools) -> Floats:
    """Return the mean grade that some classes expect of each graded finding, given all the others.

    Args:
        model: the profiles.
        joint: F x C', ln P(component, all findings but this one).
        graded: F numbers of findings.
        classes: K, which classes.
    """
    own = normalised(np.where(classes[_class_of_component(model)], joint, -np.inf))
    return np.asarray((own * expected_grade(model.table[:, graded]).T).sum(axis=1))
