"""Plain text about one entry of the knowledge, and about what a user's own file changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nmevision.errors import ConfigError, did_you_mean
from nmevision.knowledge.layout import LEGEND, TITLES, bibliography, field, grid, named_sources, wrap
from nmevision.knowledge.profile_files import ProfileTable
from nmevision.knowledge.tables import (
    FIELDS,
    MODALITIES,
    Association,
    Diagnosis,
    Finding,
    Frequency,
    Group,
    Knowledge,
    Profile,
    Source,
)
from nmevision.taxonomy import normalise_label


def show(knowledge: Knowledge, word: str) -> str:
    """Return everything known about a diagnosis, a finding, a group or a source.

    word: its key, name or synonym, or a source's code such as W1. Raises ConfigError for an unknown word.
    """
    entry = _entry(knowledge, word)
    if isinstance(entry, Diagnosis):
        return "\n".join(_diagnosis(knowledge, entry))
    if isinstance(entry, Finding):
        return "\n".join(_finding(knowledge, entry))
    if isinstance(entry, Group):
        return "\n".join(_group(knowledge, entry))
    return "\n\n".join("\n".join(_source(knowledge, source)) for source in entry)


def find_diagnosis(knowledge: Knowledge, word: str) -> Diagnosis:
    """Return the diagnosis meant by a key, name or synonym, or raise ConfigError with the nearest."""
    by_word = _words(knowledge.diagnoses)
    found = by_word.get(normalise_label(word))
    if found is None:
        hint = did_you_mean(word, by_word)
        raise ConfigError(f"unknown diagnosis '{word}'{hint}; known: {', '.join(knowledge.diagnoses)}")
    return knowledge.diagnoses[found]


def _words(entries: Mapping[str, Diagnosis | Finding | Group]) -> dict[str, str]:
    """Return the key of every spelling of some entries."""
    words: dict[str, str] = {}
    for key, entry in entries.items():
        for text in (key, entry.name, *(entry.synonyms if isinstance(entry, Diagnosis) else ())):
            words.setdefault(normalise_label(text), key)
    return words


def _entry(knowledge: Knowledge, word: str) -> Diagnosis | Finding | Group | list[Source]:
    """Return what a word names: a diagnosis, else a finding, else a group, else the sources of that key or code."""
    tables: tuple[Mapping[str, Diagnosis | Finding | Group], ...]
    tables = (knowledge.diagnoses, knowledge.findings, knowledge.groups)
    for table in tables:
        found = _words(table).get(normalise_label(word))
        if found is not None:
            return table[found]
    sources = [
        s for s in knowledge.sources.values() if word.casefold() in (s.key.casefold(), s.code.casefold())
    ]
    if sources:
        return sources
    known = [text for table in tables for text in (*table, *_words(table))]
    hint = did_you_mean(word, [*known, *knowledge.sources])
    raise ConfigError(
        f"unknown word '{word}'{hint}; known are the keys of diagnoses ({', '.join(knowledge.diagnoses)}), "
        f"groups ({', '.join(knowledge.groups)}), findings and sources"
    )


def _diagnosis(knowledge: Knowledge, diagnosis: Diagnosis) -> list[str]:
    """Return the page of a diagnosis."""
    group = knowledge.groups[diagnosis.group]
    cited = list(diagnosis.sources)
    lines = [f"{diagnosis.name} [{diagnosis.key}]"]
    lines += field("group", f"{group.name} [{group.key}]")
    lines += field("ICD-10", diagnosis.icd10)
    lines += field("also called", ", ".join(diagnosis.synonyms))
    lines += field("set apart by", diagnosis.separates)
    lines += field("on H&E", _on_he(diagnosis))
    for test in diagnosis.next_tests:
        lines += field("next test", test)
    lines += field("note", diagnosis.note)
    for modality in MODALITIES:
        profiles = knowledge.profiles_of(modality, diagnosis.key)
        lines += ["", TITLES[modality]]
        lines += _profile_table(knowledge, profiles, cited) if profiles else ["  no profile"]
    lines += _numbers(knowledge, diagnosis.key, cited)
    if diagnosis.key == "nme":
        lines += ["", "Work-up (for clinicians)"]
        for item in knowledge.workup:
            lines += wrap(f"{item.text} When: {item.when}. [{', '.join(item.sources)}]", "  - ", "    ")
            cited += item.sources
    return [*lines, "", *LEGEND, "", *bibliography(knowledge, cited)]


def _on_he(diagnosis: Diagnosis) -> str:
    """Return in words whether H&E tells a diagnosis from the others of its group."""
    weak = "separates it only weakly from the other members of its group"
    return {"no": "cannot be separated from the other members of its group", "weak": weak, "": ""}[
        diagnosis.separable_on_he
    ]


def _profile_table(knowledge: Knowledge, profiles: Sequence[Profile], cited: list[str]) -> list[str]:
    """Return the findings that a diagnosis can show, with grades and sources, then those it does not."""
    rows, absent = [], []
    for finding in knowledge.findings_of(profiles[0].modality):
        cells = [profile.cells[finding.key] for profile in profiles]
        named = named_sources(cells)
        cited += named
        if any(cell.grade for cell in cells):
            rows.append([finding.key, *map(str, cells), " ".join(named)])
        else:
            absent.append(f"{finding.key} {'/'.join(map(str, cells))}")
    table = grid(["finding", *(profile.stage or "grade" for profile in profiles), "sources"], rows)
    return [*table, *wrap("absent: " + ", ".join(absent), "  ", "  ")] if absent else table


def _numbers(knowledge: Knowledge, key: str, cited: list[str]) -> list[str]:
    """Return the counts and frequencies of a diagnosis."""
    facts = [row for row in knowledge.associations if row.diagnosis == key]
    signs = [row for row in knowledge.frequencies if row.diagnosis == key]
    cited += [*(row.source for row in facts), *(row.source for row in signs)]
    lines = ["", "Clinical data"] if facts else []
    for feature in dict.fromkeys(row.feature for row in facts):
        lines.append(f"  {feature.replace('_', ' ')}")
        for row in facts:
            if row.feature == feature:
                where = f"among {row.among} [{row.source}]" + (f": {row.note}" if row.note else "")
                lines += wrap(f"{figure(row):<22} {where}", "    ", " " * 27)
    if signs:
        rows = [[row.sign, row.finding, figure(row), row.source, row.note] for row in signs]
        lines += ["", "Seen in series", *grid(["sign", "finding", "figure", "source", "note"], rows)]
    return lines


def figure(row: Association | Frequency) -> str:
    """Return the figure of a row as it is to be printed: `5/7 (71 %)`, `67 % of 21`, or its value."""
    if isinstance(row, Association) and row.value:
        return row.value
    if row.k is not None:
        return f"{row.k}/{row.n} ({100 * row.k / row.n:.0f} %)" if row.n else f"{row.k} of ?"
    return f"{row.percent:g} %" + (f" of {row.n}" if row.n else " (n not given)")


def _finding(knowledge: Knowledge, finding: Finding) -> list[str]:
    """Return the page of a finding: what it is, and who shows it."""
    needs = ", ".join(FIELDS[finding.modality][need] for need in finding.needs)
    lines = [f"{finding.name} [{finding.key}]"]
    lines += field("what", finding.definition)
    lines += field("where", f"{finding.layer} ({finding.modality})")
    lines += field("needs in field", needs or "nothing in particular")
    lines += field("remark", finding.remark)
    lines += field("merges with", finding.merges_with)
    lines += field("SkinCon", ", ".join(finding.skincon))
    lines += field("UCI attribute", ", ".join(map(str, finding.uci)))
    profiles = knowledge.profiles_of(finding.modality)
    ranked = sorted(profiles, key=lambda profile: -profile.cells[finding.key].grade)
    cells = [(profile.key, profile.cells[finding.key]) for profile in ranked]
    rows = [[key, str(cell), " ".join(cell.sources)] for key, cell in cells if cell.grade]
    lines += ["", *grid(["diagnosis", "grade", "sources"], rows)]
    lines += wrap("absent in: " + ", ".join(key for key, cell in cells if not cell.grade), "  ", "  ")
    cited = [*finding.sources, *named_sources(cell for _, cell in cells)]
    return [*lines, "", *LEGEND, "", *bibliography(knowledge, cited)]


def _group(knowledge: Knowledge, group: Group) -> list[str]:
    """Return the page of a group: its members and what tells them apart."""
    members = [d for d in knowledge.diagnoses.values() if d.group == group.key]
    lines = [f"{group.name} [{group.key}]", *field("pattern", group.note), ""]
    rows = [[d.key, {"no": "no", "weak": "weakly", "": ""}[d.separable_on_he], d.separates] for d in members]
    lines += grid(["member", "H&E tells it apart", "what sets it apart from the others"], rows)
    return [*lines, "", *bibliography(knowledge, [key for d in members for key in d.sources])]


def _source(knowledge: Knowledge, source: Source) -> list[str]:
    """Return the page of a source: what it is, and what rests on it."""
    cells = [c for p in knowledge.profiles for c in p.cells.values() if source.key in c.sources]
    figures = [row.source for row in knowledge.associations] + [row.source for row in knowledge.frequencies]
    lines = [
        f"{source.key} ({source.code})",
        *field("citation", source.citation),
        *field("kind", source.kind),
    ]
    lines += field("reliability", source.reliability)
    lines += field("DOI", source.doi) + field("PubMed", source.pmid) + field("URL", source.url)
    lines += field("note", source.note)
    return [*lines, *field("cited by", f"{len(cells)} grades, {figures.count(source.key)} figures")]


def changes(knowledge: Knowledge, table: ProfileTable) -> str:
    """Return what a user's own (correct) profile file changes, cell by cell."""
    ours = {profile.key: profile for profile in knowledge.profiles_of(table.modality)}
    rows = []
    added = [head for head in table.cells if head not in ours]
    for head in table.cells.keys() & ours.keys():
        for key, cell in table.cells[head].items():
            if str(cell) != str(ours[head].cells[key]):
                rows.append([key, head, str(ours[head].cells[key]), str(cell), " ".join(cell.sources)])
    given = sum(len(cells) for cells in table.cells.values())
    lines = [f"{table.modality}: {given} grades in {len(table.cells)} columns; no mistake found"]
    if rows:
        header = ["finding", "diagnosis", "ours", "yours", "sources"]
        lines += [f"{len(rows)} replace ours:", *grid(header, sorted(rows))]
    return "\n".join([*lines, *field("adds", ", ".join(added))])
