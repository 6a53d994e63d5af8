"""Members of the necrolytic group by Bayes, from body sites and clinical data. H&E has no part in it.

    P(member | data) is proportional to prior(member | group) x P(sites and signs | member) x P(features | member)

Sites and signs are the clinical findings that need a place or a history (`Finding.needs`), weighed with the clinical
profiles. A feature (diabetes, weight loss ...) counts only where *every* member has a rate: one counted among
patients with the diagnosis itself, or a comparison rate that the user's prior file states with its source. Of the
members only NME has cited counts, so without such a file no feature counts, and the answer says so.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from nmevision.errors import DataError
from nmevision.grades import expected_grade
from nmevision.knowledge.building import model_of_knowledge
from nmevision.knowledge.observations import Floats
from nmevision.knowledge.prior import Prior, Rate
from nmevision.knowledge.tables import Finding, Knowledge

FEATURES: dict[str, str] = {
    "diabetes": "diabetes",
    "weight_loss": "weight loss",
    "anaemia": "anaemia",
    "diarrhoea": "diarrhoea",
    "deep_vein_thrombosis": "deep vein thrombosis",
    "low_zinc": "low zinc",
    "low_niacin": "low niacin",
    "hepatitis_c": "hepatitis C",
    "poor_diet_or_malabsorption": "poor diet or malabsorption",
    "alcohol": "harmful use of alcohol",
    "parenteral_nutrition": "parenteral nutrition",
    "liver_disease": "liver disease",
    "pancreatic_tumour": "pancreatic tumour on imaging",
}
"""Yes-or-no columns of a table of cases, and their words. Sex and age are none: the sources disagree on them."""

GLUCAGON_FEATURE = "glucagon_below_500_pg_ml"
GLUCAGON_CUT = 500.0
"""pg/mL; above it glucagonoma is likely, below it nothing follows: 2 of 7 patients with NME had 217 and 269."""
PG_PER_PMOL = 3.483
"""pg/mL in one pmol/L of glucagon (molar mass 3483 g/mol)."""
UNITS: dict[str, float] = {"pg/ml": 1.0, "ng/l": 1.0, "pmol/l": PG_PER_PMOL}
HIGHEST_GLUCAGON = 1_000_000.0
"""pg/mL above which a value is a slip of the pen or of the unit."""

NO_RATE = "no comparison rate known; not counted"
OWN_PATIENTS = ("glucagonoma with NME",)
"""What `Association.among` says where NME patients themselves were counted."""


@dataclass(frozen=True)
class Glucagon:
    """Plasma glucagon in pg/mL, between `low` and `high` where the value is censored (">800")."""

    text: str
    low: float
    high: float


@dataclass(frozen=True)
class ClinicalData:
    """What is known of a patient beside the section; what is not known is left out, never "no"."""

    findings: Mapping[str, Floats] = field(default_factory=dict)
    """Evidence (4 numbers of `observations`) of clinical findings that need a place or a history."""
    features: Mapping[str, bool] = field(default_factory=dict)
    """Keys of FEATURES."""
    glucagon: Glucagon | None = None


@dataclass(frozen=True)
class Statement:
    """One clinical datum, and whether and why it counted."""

    what: str
    counted: bool
    says: str
    sources: tuple[str, ...] = ()


@dataclass(frozen=True)
class Members:
    """P(member | group, clinical data) with its range, or {} where nothing counted, and what was done with what."""

    probabilities: Mapping[str, float]
    low: Mapping[str, float]
    high: Mapping[str, float]
    statements: tuple[Statement, ...]


def read_glucagon(text: str, unit: str = "") -> Glucagon:
    """Return a glucagon value; it may be censored and may carry its unit.

    Args:
        text: such as "217 pg/mL", ">800 ng/L" or "62 pmol/L".
        unit: where the text has none: pg/mL, ng/L or pmol/L.

    Raises:
        DataError: no number, no unit or an unknown one, or a value that no plasma has.

    >>> read_glucagon(">800 pg/mL").low
    800.0
    """
    found = re.fullmatch(r"\s*([<>]?)\s*(\d+(?:\.\d+)?)\s*(\S*)\s*", text)
    if not found:
        raise DataError(f"found '{text}'; expected a value with its unit, such as 217 pg/mL or >800 pg/mL")
    given = (found[3] or unit).replace("μ", "µ")
    if given.casefold() not in UNITS:
        raise DataError(
            f"found '{text}' with {f'the unit {given}' if given else 'no unit'}; expected pg/mL, ng/L or pmol/L"
        )
    value = float(found[2]) * UNITS[given.casefold()]
    if value > HIGHEST_GLUCAGON:
        raise DataError(f"found '{text}'; no plasma glucagon is that high, check the unit")
    shown = f"{found[1]}{found[2]} {given}"
    return Glucagon(shown, 0.0 if found[1] == "<" else value, np.inf if found[1] == ">" else value)


def is_site_or_history(finding: Finding) -> bool:
    """Tell whether a clinical finding says where the eruption is, how it goes or what else is ill."""
    return finding.modality == "clinical" and bool(finding.needs)


def member_posterior(
    knowledge: Knowledge, group: str, data: ClinicalData, prior: Prior, draws: int, seed: int
) -> Members:
    """Return the members of a group by Bayes from clinical data alone; no numbers where nothing counts.

    Args:
        knowledge: findings, clinical profiles and associations.
        group: such as `necrolytic`.
        data: of one patient.
        prior: weights within the group, and comparison rates.
        draws: sets of profiles and rates drawn for the range (5th to 95th percentile).
        seed: of the draws.
    """
    profiled = {p.diagnosis for p in knowledge.profiles_of("clinical")}
    members = [key for key, of in knowledge.group_of.items() if of == group and key in profiled]
    start = prior.within(group, members)
    rng = np.random.default_rng(seed)
    logs, drawn, statements = _from_sites(knowledge, members, data.findings, draws, seed)
    for feature, present in data.features.items():
        rates = member_rates(knowledge, members, feature, prior)
        statements.append(_feature_statement(feature, present, members, rates))
        if rates:
            logs, drawn = _multiply(logs, drawn, list(rates.values()), present, rng)
    if data.glucagon:
        rates = member_rates(knowledge, members, GLUCAGON_FEATURE, prior)
        high = data.glucagon.low >= GLUCAGON_CUT
        statements.append(_glucagon_statement(data.glucagon, bool(rates)))
        if rates and high:
            logs, drawn = _multiply(logs, drawn, list(rates.values()), False, rng)
    if not any(s.counted for s in statements):
        return Members({}, {}, {}, tuple(statements))
    weights = np.array([start[key] for key in members])
    point, spread = _shares(logs, weights), _shares(drawn, weights)
    low, high_ = np.percentile(spread, [5, 95], axis=0)
    named = [dict(zip(members, map(float, values), strict=True)) for values in (point, low, high_)]
    return Members(named[0], named[1], named[2], tuple(statements))


def _shares(logs: Floats, weights: Floats) -> Floats:
    joint = np.exp(logs - logs.max(axis=-1, keepdims=True)) * weights
    return np.asarray(joint / joint.sum(axis=-1, keepdims=True))


def _from_sites(
    knowledge: Knowledge, members: list[str], findings: Mapping[str, Floats], draws: int, seed: int
) -> tuple[Floats, Floats, list[Statement]]:
    """Return the log likelihoods of M members, those under D drawn profiles (D x M), and what was counted."""
    if not findings:
        return np.zeros(len(members)), np.zeros((draws, len(members))), []
    model = model_of_knowledge(knowledge, "clinical", findings=findings, diagnoses=members, with_other=False)
    evidence = np.array([[findings[key] for key in model.findings]])
    order = [model.classes.index(key) for key in members]
    even = np.full(len(members), 1 / len(members))
    drawn = np.log(model.posterior_draws(evidence, even, model.draw_tables(draws, seed)))
    grades = expected_grade(evidence[0] / evidence[0].sum(axis=-1, keepdims=True))
    statements = [
        Statement(f"{knowledge.findings[key].name}: {grade:.3g}", True, "counted with the clinical profiles")
        for key, grade in zip(model.findings, grades, strict=True)
    ]
    return model.log_likelihoods(evidence)[0, order], drawn[:, order], statements


def member_rates(knowledge: Knowledge, members: list[str], feature: str, prior: Prior) -> dict[str, Rate]:
    """Return the rate of a feature in every member, {} where one has none, or where none has one of its own."""
    own = {
        row.diagnosis: Rate(k=row.k, n=row.n, source=row.source)
        for row in knowledge.associations
        if row.feature == feature and row.k is not None and row.n is not None and row.among in OWN_PATIENTS
    }
    comparison = prior.comparison_rates.get(feature)
    rates = {key: own.get(key, comparison) for key in members}
    return {key: rate for key, rate in rates.items() if rate} if own and all(rates.values()) else {}


def _multiply(
    logs: Floats, drawn: Floats, rates: list[Rate], present: bool, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Return the log likelihoods, and those drawn, times P(feature as it is | member)."""
    k, n = np.array([rate.k for rate in rates]), np.array([rate.n for rate in rates])
    share = np.array([rate.smoothed for rate in rates])
    sampled = np.clip(rng.beta(k + 0.5, n - k + 0.5, size=drawn.shape), 1e-6, 1 - 1e-6)
    if not present:
        share, sampled = 1 - share, 1 - sampled
    return logs + np.log(share), drawn + np.log(sampled)


def _feature_statement(
    feature: str, present: bool, members: list[str], rates: Mapping[str, Rate]
) -> Statement:
    what = f"{FEATURES[feature]}: {'yes' if present else 'no'}"
    if not rates:
        return Statement(what, False, NO_RATE)
    words = ", ".join(f"{key} {rates[key]}" for key in members)
    return Statement(
        what,
        True,
        f"counted; rates {words} (NME: of patients with glucagonoma and NME)",
        tuple(dict.fromkeys(r.source for r in rates.values())),
    )


def _glucagon_statement(value: Glucagon, rates: bool) -> Statement:
    """Return what a glucagon value says: above the cut it speaks for glucagonoma, below it for nothing."""
    what = f"glucagon: {value.text}"
    if value.low >= GLUCAGON_CUT:
        words = f"{GLUCAGON_CUT:g} pg/mL or more is highly suggestive of glucagonoma"
        counted = "counted with the stated comparison rate" if rates else NO_RATE
        return Statement(what, rates, f"{words}; {counted}", ("cancertherapyadvisor",))
    if value.high < GLUCAGON_CUT:
        words = f"below {GLUCAGON_CUT:g} pg/mL does not make NME or glucagonoma unlikely (2 of 7 patients of one series)"
        return Statement(what, False, f"{words}; not counted", ("xian-series2021", "cancertherapyadvisor"))
    return Statement(what, False, f"may be below or above {GLUCAGON_CUT:g} pg/mL; not counted")
