"""Two diagnoses side by side: what sets them apart, and whether H&E can."""

from __future__ import annotations

from collections.abc import Sequence

from nmevision.errors import ConfigError
from nmevision.knowledge.display import find_diagnosis
from nmevision.knowledge.layout import LEGEND, TITLES, bibliography, field, grid, named_sources, wrap
from nmevision.knowledge.tables import MODALITIES, Cell, Diagnosis, Knowledge, Modality, Profile


def compare(knowledge: Knowledge, first: str, second: str) -> str:
    """Return the findings of two diagnoses, those first that differ most; stages stand side by side.

    first, second: keys, names or synonyms. Raises ConfigError where a word is unknown, or both mean the same.
    """
    a, b = find_diagnosis(knowledge, first), find_diagnosis(knowledge, second)
    if a.key == b.key:
        raise ConfigError(f"'{first}' and '{second}' both mean '{a.key}'; name two diagnoses")
    lines = [f"A  {a.name} [{a.key}], group {a.group}", f"B  {b.name} [{b.key}], group {b.group}", ""]
    lines += verdict(knowledge, a, b)
    cited = [*a.sources, *b.sources]
    for modality in MODALITIES:
        lines += ["", TITLES[modality], *_table_of(knowledge, modality, a, b, cited)]
    return "\n".join([*lines, "", *LEGEND, "", *bibliography(knowledge, cited)])


def verdict(knowledge: Knowledge, a: Diagnosis, b: Diagnosis) -> list[str]:
    """Return in words whether H&E separates two diagnoses, and what does."""
    if a.group != b.group:
        names = " and ".join(knowledge.groups[d.group].name for d in (a, b))
        return wrap(f"They belong to different groups: {names}.", "", "")
    strengths = {a.separable_on_he, b.separable_on_he}
    lines: list[str] = []
    if "weak" in strengths:
        lines = wrap(
            "H&E separates A and B only weakly: a tendency of groups of cases, not a sign in one.", "", ""
        )
    elif "no" in strengths:
        text = "Nothing on H&E separates A from B: no source names a finding that does. The differences below are those of the sources' words and are no evidence for either."
        lines = wrap(text, "", "")
    return lines + field("A set apart by", a.separates) + field("B set apart by", b.separates)


def _table_of(
    knowledge: Knowledge, modality: Modality, a: Diagnosis, b: Diagnosis, cited: list[str]
) -> list[str]:
    """Return the findings of a modality by falling difference, and how far the profiles lie apart."""
    sides = [knowledge.profiles_of(modality, d.key) for d in (a, b)]
    missing = [d.name for d, profiles in zip((a, b), sides, strict=True) if not profiles]
    if missing:
        return [f"  no profile of {' and '.join(missing)}; nothing to compare"]
    rows, equal = [], []
    for finding in knowledge.findings_of(modality):
        left, right = ([profile.cells[finding.key] for profile in side] for side in sides)
        difference = _mean(left) - _mean(right)
        named = named_sources([*left, *right])
        if len({cell.grade for cell in (*left, *right)}) > 1:
            codes = " ".join(dict.fromkeys(knowledge.sources[key].code for key in named))
            cells = map(str, (*left, *right))
            rows.append((abs(difference), [finding.key, f"{difference:+.1f}", *cells, codes]))
            cited += named
        else:
            equal.append(finding.key)
    rows.sort(key=lambda row: -row[0])
    heads = [f"{name} {p.stage}".strip() for name, side in zip("AB", sides, strict=True) for p in side]
    lines = grid(["finding", "A - B", *heads, "sources"], [row for _, row in rows])
    lines += wrap("equal: " + ", ".join(equal), "  ", "  ") if equal else []
    return [*lines, *_distances(*sides)]


def _mean(cells: Sequence[Cell]) -> float:
    """Return the mean grade of one finding over the stages."""
    return sum(cell.grade for cell in cells) / len(cells)


def _distances(left: Sequence[Profile], right: Sequence[Profile]) -> list[str]:
    """Return the sum of |differences| for every pair of stages."""
    pairs = [f"{one.key} to {other.key} {one.distance(other)}" for one in left for other in right]
    text = f"sum of |differences| over {len(left[0].cells)} findings (smaller is harder): {'; '.join(pairs)}"
    return wrap(text, "  ", "  ")
