"""Profile files: a table of finding x diagnosis whose cells read `3a` (grade and evidence tag).

    finding,nme:early,nme:active,psoriasis
    sources,finding,finding,murphy2007
    parakeratosis,1t,2a,3a [trozak-biopsies own-file]

The first column names findings of one modality, the first row diagnoses (`diagnosis:stage` where the diagnosis
has stages). Three rows are no findings and may be left out: `sources` (keys of sources.yaml, separated by
spaces, for every `a` and `c` cell of the column; the word `finding` takes those of the finding), `tag` (for
cells that hold a grade alone) and `group` (for a diagnosis that is new). A cell may cite for itself, in
brackets. `t` cells cite the textbook, `u` and `c` cells the UCI table, without saying so. A column grades every
finding of its modality, unless it changes a profile that is there already: then a blank cell keeps ours.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from nmevision.errors import Problems, did_you_mean
from nmevision.knowledge.tables import (
    HIGHEST_GRADE,
    MODALITIES,
    TAGS,
    TEXTBOOK,
    Cell,
    Diagnosis,
    Finding,
    Group,
    Modality,
    Source,
)
from nmevision.taxonomy import KEY_PATTERN

UCI = "uci1998"
"""Key of the source that `u` and `c` cells are compared with."""
OF_THE_FINDING = "finding"
"""In the row `sources`: cite what the finding itself cites."""
SETTINGS = ("sources", "tag", "group")
"""Rows of a profile file that are no findings."""

_CELL = re.compile(r"(?P<grade>[-+]?\d+(?:\.\d+)?)?\s*(?P<tag>[^\W\d_]*)\s*(?:\[(?P<sources>[^\[\]]*)\])?")
_OPENING = re.compile(r'"?finding"?(?P<delimiter>[,;\t])')


@dataclass(frozen=True)
class Words:
    """What a profile file may speak of."""

    sources: Mapping[str, Source]
    findings: Mapping[str, Finding]
    groups: Mapping[str, Group]
    diagnoses: Mapping[str, Diagnosis]


@dataclass(frozen=True)
class ProfileTable:
    """The content of one profile file."""

    modality: Modality
    cells: dict[str, dict[str, Cell]]
    """Column head -> finding key -> cell, in file order; blank cells are left out."""
    groups: dict[str, str] = field(default_factory=dict)
    """Group of every diagnosis that the file adds."""


def read_profiles(
    path: Path,
    words: Words,
    problems: Problems,
    partial: Mapping[Modality, Collection[str]] = MappingProxyType({}),
) -> ProfileTable:
    """Return the profiles in a CSV file and note every mistake in `problems`.

    partial: by modality, the column heads that may leave findings out (they change a profile that is there);
    every other column must grade every finding of the modality.
    """
    reader = _Reader(path, words, problems)
    rows = list(reader.rows())
    if not rows:
        return ProfileTable(MODALITIES[0], {})
    columns = reader.columns(rows[0][1], _settings_of(rows, "group"))
    modality = reader.modality(rows[1:])
    staged = reader.rightly_staged(columns, modality)
    cells: dict[str, dict[str, Cell]] = {head: {} for head in columns.values()}
    blank: dict[str, list[str]] = {
        head: [f.key for f in words.findings.values() if f.modality == modality]
        for head in staged
        if head not in partial.get(modality, ())
    }
    defaults = {name: _settings_of(rows, name) for name in ("sources", "tag")}
    reader.check_defaults(columns, defaults)
    for line, row in reader.finding_rows(rows, modality):
        finding = words.findings[row[0].strip()]
        for place, head in columns.items():
            text = row[place].strip() if place < len(row) else ""
            if not text:
                continue
            if head in blank:
                blank[head].remove(finding.key)
            where = f"{path.name}:{line}: {finding.key}, {head}"
            cell = reader.cell(text, where, finding, {name: d.get(place, "") for name, d in defaults.items()})
            if cell is not None:
                cells[head][finding.key] = cell
    reader.check_blank(blank)
    return ProfileTable(modality, cells, reader.new_groups)


def split_head(head: str) -> tuple[str, str]:
    """Return diagnosis and stage of a column head.

    >>> split_head("nme:early"), split_head("psoriasis")
    (('nme', 'early'), ('psoriasis', ''))
    """
    diagnosis, _, stage = head.partition(":")
    return diagnosis.strip(), stage.strip()


def _settings_of(rows: list[tuple[int, list[str]]], name: str) -> dict[int, str]:
    """Return the cells of the row called `name` by their place, where there is one."""
    found = next((row for _, row in rows[1:] if row[0].strip() == name), [])
    return {place: text.strip() for place, text in enumerate(found) if place and text.strip()}


class _Reader:
    """Reads one file and notes its mistakes."""

    def __init__(self, path: Path, words: Words, problems: Problems) -> None:
        self.path, self.words, self.problems = Path(path), words, problems
        self.new_groups: dict[str, str] = {}

    def note(self, line: int, text: str) -> None:
        """Note a mistake on a line of the file."""
        self.problems.add(f"{self.path.name}:{line}: {text}")

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """Yield every row that is not blank, with its line number."""
        try:
            text = self.path.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as problem:
            self.problems.add(f"{self.path}: cannot be read as UTF-8 text: {problem}")
            return
        opening = _OPENING.match(text)
        if opening is None:
            first = next(iter(text.splitlines()), "")
            self.note(1, f"found {first[:40]!r}; expected `finding` and the diagnoses, separated by commas")
            return
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=opening["delimiter"])
        try:
            for row in reader:
                if any(cell.strip() for cell in row):
                    yield reader.line_num, row
        except csv.Error as problem:
            self.note(reader.line_num, f"is no CSV: {problem}")

    def columns(self, header: list[str], groups: dict[int, str]) -> dict[int, str]:
        """Return the head of every usable column by its place."""
        found: dict[int, str] = {}
        for place, text in enumerate(header[1:], 1):
            diagnosis, stage = split_head(text)
            head = f"{diagnosis}:{stage}" if stage else diagnosis
            if head in found.values():
                self.note(1, f"column '{head}' is given twice")
            elif diagnosis in self.words.diagnoses:
                found[place] = head
            elif place in groups and re.match(KEY_PATTERN, diagnosis) and not stage:
                found[place] = head
                self._add_group(diagnosis, groups[place])
            else:
                hint = did_you_mean(diagnosis, self.words.diagnoses)
                self.note(1, f"unknown diagnosis '{text}'{hint}; a new one needs its group in a row `group`")
        return found

    def _add_group(self, diagnosis: str, group: str) -> None:
        self.new_groups[diagnosis] = group
        if group not in self.words.groups:
            known = ", ".join(self.words.groups)
            hint = did_you_mean(group, self.words.groups)
            self.problems.add(
                f"{self.path.name}: group, {diagnosis}: unknown group '{group}'{hint}; known: {known}"
            )

    def modality(self, rows: list[tuple[int, list[str]]]) -> Modality:
        """Return the modality that most of the file's findings belong to."""
        keys = [row[0].strip() for _, row in rows]
        of = [self.words.findings[key].modality for key in keys if key in self.words.findings]
        return max(MODALITIES, key=of.count)

    def rightly_staged(self, columns: dict[int, str], modality: Modality) -> list[str]:
        """Return the column heads in order; leave out and note those whose stage is missing or unknown."""
        right = []
        for head in columns.values():
            diagnosis, stage = split_head(head)
            entry = self.words.diagnoses.get(diagnosis)
            stages = entry.stages if entry and modality == "histology" else ()
            if stage in (stages or ("",)):
                right.append(head)
                continue
            expected = ", ".join(f"{diagnosis}:{known}" for known in stages) or diagnosis
            self.note(1, f"found column '{head}'; {modality} expects {expected}{did_you_mean(stage, stages)}")
        return right

    def finding_rows(
        self, rows: list[tuple[int, list[str]]], modality: Modality
    ) -> Iterator[tuple[int, list[str]]]:
        """Yield the rows of known findings; note duplicates and what is unknown or of another modality."""
        seen: dict[str, int] = {}
        for line, row in rows[1:]:
            if len(row) > len(rows[0][1]):
                self.note(line, f"{len(row)} cells where the first row has {len(rows[0][1])}")
            key = row[0].strip()
            if key in seen:
                self.note(line, f"row '{key}' is given twice; first on line {seen[key]}")
                continue
            seen[key] = line
            finding = self.words.findings.get(key)
            if key in SETTINGS:
                continue
            if finding is None:
                known = [f.key for f in self.words.findings.values() if f.modality == modality]
                self.note(line, f"unknown finding '{key}'{did_you_mean(key, [*known, *SETTINGS])}")
            elif finding.modality != modality:
                self.note(line, f"'{key}' is a {finding.modality} finding in a table of {modality} findings")
            else:
                yield line, row

    def cell(self, text: str, where: str, finding: Finding, defaults: Mapping[str, str]) -> Cell | None:
        """Return a cell read from text such as `3a [murphy2007]`, or note what is wrong with it."""
        parts = _CELL.fullmatch(text)
        if parts is None or parts["grade"] is None:
            self.problems.add(f"{where}: found '{text}'; expected a grade and a tag such as 2a")
            return None
        before = len(self.problems.lines)
        grade, tag = parts["grade"], parts["tag"] or defaults["tag"]
        if grade not in {str(g) for g in range(HIGHEST_GRADE + 1)}:
            self.problems.add(f"{where}: grade {grade} in '{text}'; expected 0, 1, 2 or 3")
        if not tag:
            self.problems.add(f"{where}: '{text}' has no evidence tag; expected one of {', '.join(TAGS)}")
        elif tag not in TAGS:
            self.problems.add(f"{where}: unknown tag '{tag}' in '{text}'; expected one of {', '.join(TAGS)}")
        else:
            own = tuple((parts["sources"] or "").split())
            self._check_sources(own, where)
            cited = _cited(tag, own, tuple(defaults["sources"].split()), finding)
            if not cited:
                advice = "name a source in brackets or in the row `sources`"
                self.problems.add(f"{where}: '{text}' cites nothing; {advice}")
        if len(self.problems.lines) > before:
            return None
        return Cell.model_validate({"grade": int(grade), "tag": tag, "sources": cited})

    def _check_sources(self, keys: tuple[str, ...], where: str) -> None:
        for key in keys:
            if key not in self.words.sources:
                self.problems.add(f"{where}: unknown source '{key}'{did_you_mean(key, self.words.sources)}")

    def check_defaults(self, columns: dict[int, str], defaults: Mapping[str, dict[int, str]]) -> None:
        """Note unknown sources and tags in the rows `sources` and `tag`."""
        for place, head in columns.items():
            keys = tuple(defaults["sources"].get(place, "").split())
            self._check_sources(
                () if keys == (OF_THE_FINDING,) else keys, f"{self.path.name}: sources, {head}"
            )
            tag = defaults["tag"].get(place, "")
            if tag and tag not in TAGS:
                known = ", ".join(TAGS)
                self.problems.add(
                    f"{self.path.name}: tag, {head}: unknown tag '{tag}'; expected one of {known}"
                )

    def check_blank(self, blank: Mapping[str, list[str]]) -> None:
        """Note the findings that a column leaves out though it must not."""
        for head, keys in blank.items():
            if keys:
                shown = ", ".join(keys[:3]) + (" ..." if len(keys) > 3 else "")
                self.note(1, f"column '{head}' has no grade for {shown} ({len(keys)} in all)")


def _cited(tag: str, own: tuple[str, ...], column: tuple[str, ...], finding: Finding) -> tuple[str, ...]:
    """Return the sources of a cell: its own, else its column's, else what its tag says; () for none."""
    named = own or (finding.sources if column == (OF_THE_FINDING,) else column)
    if tag == "t":
        return own or (TEXTBOOK,)
    if tag == "u":
        return own or (UCI,)
    if tag == "c":
        return tuple(dict.fromkeys((*(named or (TEXTBOOK,)), UCI)))
    return named
