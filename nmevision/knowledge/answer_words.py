"""The sentences of an answer: what may be said, and what may not."""

from __future__ import annotations

from nmevision.knowledge.answer_records import GroupAnswer
from nmevision.knowledge.tables import Diagnosis, Knowledge, Modality

ABSTAINED = "No answer."
NOTHING_GRADED = "No finding is graded; grade at least one."
BIOPSY_AGAIN = (
    ": what tells the patterns apart cannot be assessed. Missing is not absent; "
    "grade another field or take another biopsy."
)
NOT_SEPARABLE = (
    "H&E cannot separate the members of this group, so none has a number. What would: body sites, zinc, niacin and "
    "alcohol, hepatitis C, diet, plasma glucagon, imaging of the pancreas."
)
NO_SITES = (
    "No body site or history is graded, so no member of this group has a number: the look of one lesion does not "
    "separate them. What would: body sites, zinc, niacin and alcohol, hepatitis C, diet, plasma glucagon, imaging."
)
CANNOT_SEPARATE = "cannot be separated here"
ONLY_ONE = "the only one of its group with a profile"
NEGATIVE = "Necrolytic pattern not seen in this sample"
UNDECIDED = "Necrolytic pattern undecided in this sample"
KEPT_IN_MIND = 0.05
"""P(necrolytic) from which it is kept in mind although another group leads: undecided, with its workup. Our choice."""
NOT_EXCLUDED = (
    "One biopsy does not exclude NME: of 13 patients only 8 specimens were suggestive (Pujol 2004), and no single "
    "feature is specific (Kheir 1986). Repeat biopsies from the edges of early lesions."
)
NOT_EXCLUDED_BY_PHOTO = (
    "One photo does not exclude NME: it comes and goes, and biopsies from the edges of early lesions decide."
)
EARLY = (
    "Early NME looks like pityriasis rosea and eczema: its profile lies nearer to theirs than to active NME. What is "
    "left of the necrolytic pattern here is not nothing."
)
ONE_SECTION = "The cause (glucagonoma or not) is never read from skin: both show the same lesion."
INDEPENDENT = (
    "Findings count as independent within a diagnosis and stage; pallor, ballooning and necrosis go together, so the "
    "numbers are surer than they should be. The range shows only how far the profiles are known."
)
NOT_VALIDATED = "The probabilities have not been validated on patients with NME."

SUSPECTED = (
    "glucagon",
    "imaging",
    "biopsies",
    "blood",
    "nutrition",
    "other_deficiencies",
    "pseudoglucagonoma",
    "team",
)
"""Steps of the workup shown where the necrolytic pattern is kept in mind."""
NOT_SEEN = ("biopsies",)
"""Steps shown where it is not."""


def number(value: float) -> str:
    """Return a probability with two decimals, never rounded to certainty.

    >>> number(0.9999), number(0.0001), number(0.5)
    ('>0.99', '<0.01', '0.50')
    """
    if value > 0.99:
        return ">0.99"
    return "<0.01" if value < 0.01 else f"{value:.2f}"


def span(low: float, high: float) -> str:
    """Return a range of probabilities in words."""
    return f"{number(low)} to {number(high)}"


def headline(groups: tuple[GroupAnswer, ...], focus: GroupAnswer, modality: Modality) -> str:
    """Return the answer in one or two sentences: the leading group, and what it means for NME."""
    leader = groups[0]
    first = (
        f"Most probable: {leader.name}, {number(leader.probability)} (range {span(leader.low, leader.high)})."
    )
    if leader.key == focus.key:
        return f"{first} Which member it is, {'H&E' if modality == 'histology' else 'the look of a lesion'} cannot tell."
    kept = f"{number(focus.probability)} (range {span(focus.low, focus.high)})"
    words = UNDECIDED if focus.probability >= KEPT_IN_MIND else NEGATIVE
    return f"{first} {words}: {kept}; not excluded."


def misfit(fit: float) -> str:
    """Return that no profile fits."""
    return f"No profile fits well: of true cases of the nearest one, {fit:.1%} look as odd as this. Read the answer with doubt."


def separates(diagnosis: Diagnosis) -> str:
    """Return what separates a diagnosis from the others of its group."""
    weak = " (weak on H&E)" if diagnosis.separable_on_he == "weak" else ""
    return f"{diagnosis.separates}{weak}"


def caveats(knowledge: Knowledge, modality: Modality, leads: bool, kept: bool) -> tuple[str, ...]:
    """Return what the reader must know. leads: the necrolytic group is first; kept: it is not negligible."""
    counts = knowledge.tag_counts(modality)
    share = counts["t"] / sum(counts.values())
    unverified = (
        f"{counts['t']} of {sum(counts.values())} cells of the profiles ({share:.0%}) are textbook memory that nobody "
        "has verified; they count with a wide spread."
    )
    profiled = {profile.diagnosis for profile in knowledge.profiles_of(modality)}
    without = "; ".join(about.name for key, about in knowledge.diagnoses.items() if key not in profiled)
    unknown = (
        (f"No profile describes: {without}. They end as `other` or as what they resemble.",)
        if without
        else ()
    )
    negative = NOT_EXCLUDED if modality == "histology" else NOT_EXCLUDED_BY_PHOTO
    early = (EARLY,) if kept and modality == "histology" else ()
    said = (ONE_SECTION,) if leads else (negative, *early)
    return (*said, unverified, *unknown, INDEPENDENT, NOT_VALIDATED)
