"""Loads the knowledge from its files, judges them together and overlays the user's own profiles."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

from nmevision.errors import ConfigError, Problems, did_you_mean
from nmevision.files import sha256_of, sha256_of_text
from nmevision.knowledge.profile_files import ProfileTable, Words, read_profiles, split_head
from nmevision.knowledge.table_files import read_lines, read_mapping, read_records, read_rows
from nmevision.knowledge.tables import (
    FIELDS,
    MODALITIES,
    Association,
    Case,
    Diagnosis,
    Finding,
    Frequency,
    Group,
    Knowledge,
    Modality,
    Profile,
    Source,
    WorkupItem,
)

DATA = Path(__file__).parent / "data"
"""The files that come with nmevision."""
FILES = (
    "sources.yaml",
    "findings.yaml",
    "diagnoses.yaml",
    "profiles-histology.csv",
    "profiles-clinical.csv",
    "associations.csv",
    "frequencies.csv",
    "workup.yaml",
    "cases.csv",
)
"""Their names, in the order that the fingerprint is taken in."""


def load_knowledge(overlay: Path | None = None) -> Knowledge:
    """Return the knowledge that comes with nmevision, with the user's own profile file laid over it.

    overlay: a profile file (see `profile_files`); cells given there replace ours, further columns add profiles.

    Raises ConfigError with every mistake of the file at once.

    >>> str(load_knowledge().profiles_of("histology", "psoriasis")[0].cells["parakeratosis"])
    '3c'
    """
    if overlay is None:
        return _shipped()
    return overlaid(_shipped(), check_file(overlay), sha256_of(overlay))


def check_file(path: Path) -> ProfileTable:
    """Return the profiles of a user's own file, or raise ConfigError with every mistake of it at once."""
    ours = _shipped()
    problems = Problems()
    words = Words(ours.sources, ours.findings, ours.groups, ours.diagnoses)
    partial = {modality: {p.key for p in ours.profiles_of(modality)} for modality in MODALITIES}
    table = read_profiles(Path(path), words, problems, partial)
    problems.raise_if_any(ConfigError, str(path))
    return table


def overlaid(ours: Knowledge, table: ProfileTable, fingerprint: str) -> Knowledge:
    """Return `ours` with the cells of `table` replacing ours and its further profiles behind them.

    fingerprint: of the table's file; it goes into that of the result.
    """
    new = {
        key: Diagnosis(key=key, name=key.replace("_", " "), group=group, note="added by the user's own file")
        for key, group in table.groups.items()
    }
    left = dict(table.cells)
    profiles = []
    for profile in ours.profiles:
        given = left.pop(profile.key, {}) if profile.modality == table.modality else {}
        profiles.append(
            profile.model_copy(update={"cells": {**profile.cells, **given}}) if given else profile
        )
    added = [_profile(head, table.modality, cells) for head, cells in left.items()]
    return ours.model_copy(
        update={
            "fingerprint": sha256_of_text(ours.fingerprint + fingerprint),
            "diagnoses": {**ours.diagnoses, **new},
            "profiles": (*profiles, *added),
        }
    )


@cache
def _shipped() -> Knowledge:
    return read_tables(DATA)


def read_tables(folder: Path) -> Knowledge:
    """Return the knowledge in a folder of files, or raise ConfigError with every mistake in them at once."""
    problems = Problems()
    sources = read_records(Source, read_mapping(folder / "sources.yaml", problems), "sources.yaml", problems)
    findings = _findings(folder / "findings.yaml", problems)
    content = read_mapping(folder / "diagnoses.yaml", problems)
    groups = read_records(Group, content.get("groups"), "diagnoses.yaml: groups", problems)
    diagnoses = read_records(Diagnosis, content.get("diagnoses"), "diagnoses.yaml: diagnoses", problems)
    words = Words(sources, findings, groups, diagnoses)
    profiles: list[Profile] = []
    for modality in MODALITIES:
        table = read_profiles(folder / f"profiles-{modality}.csv", words, problems)
        profiles += [_profile(head, modality, cells) for head, cells in table.cells.items()]
    workup = read_records(WorkupItem, read_mapping(folder / "workup.yaml", problems), "workup.yaml", problems)
    associations = read_rows(Association, folder / "associations.csv", problems)
    frequencies = read_rows(Frequency, folder / "frequencies.csv", problems)
    cases = _cases(folder / "cases.csv", problems)
    _check_words(words, problems)
    _check_rows((*associations, *frequencies), words, problems)
    for key, cited in [
        *_cited("workup.yaml", workup),
        *((f"cases.csv: {c.patient_id}", c.sources) for c in cases),
    ]:
        _check_sources(key, cited, sources, problems)
    problems.raise_if_any(ConfigError, str(folder))
    return Knowledge(
        fingerprint=sha256_of_text("".join(sha256_of(folder / name) for name in FILES)),
        sources=sources,
        findings=findings,
        groups=groups,
        diagnoses=diagnoses,
        profiles=tuple(profiles),
        associations=tuple(row for _, row in associations),
        frequencies=tuple(row for _, row in frequencies),
        workup=tuple(workup.values()),
        cases=cases,
    )


def _profile(head: str, modality: Modality, cells: Mapping[str, object]) -> Profile:
    """Return a column of a profile file as a profile."""
    diagnosis, stage = split_head(head)
    return Profile.model_validate(
        {"diagnosis": diagnosis, "stage": stage, "modality": modality, "cells": dict(cells)}
    )


def _findings(path: Path, problems: Problems) -> dict[str, Finding]:
    """Return the findings of both modalities in file order."""
    content = read_mapping(path, problems)
    found: dict[str, Finding] = {}
    for modality in MODALITIES:
        where = f"{path.name}: {modality}"
        found |= read_records(Finding, content.pop(modality, None), where, problems, {"modality": modality})
    for key in content:
        problems.add(f"{path.name}: unknown section '{key}'{did_you_mean(key, MODALITIES)}")
    return found


def _cases(path: Path, problems: Problems) -> tuple[Case, ...]:
    """Return the published patients; every value stays the text that it is."""
    cases: dict[str, Case] = {}
    for where, cells in read_lines(path, problems):
        patient, cited = cells.pop("patient_id", ""), cells.pop("sources", "")
        if not patient or patient in cases:
            problems.add(f"{where}: patient_id '{patient}'; expected one that is given once")
        note = cells.pop("note", "")
        cases[patient] = Case(patient_id=patient, sources=tuple(cited.split()), values=cells, note=note)
    return tuple(cases.values())


def _cited(
    file: str, records: Mapping[str, Source | Finding | Diagnosis | WorkupItem]
) -> list[tuple[str, tuple[str, ...]]]:
    """Return the place and the sources of every record that cites any."""
    return [(f"{file}: {key}", r.sources) for key, r in records.items() if not isinstance(r, Source)]


def _check_sources(where: str, cited: Iterable[str], known: Mapping[str, Source], problems: Problems) -> None:
    """Note a place that cites nothing or an unknown source."""
    cited = tuple(cited)
    if not cited:
        problems.add(f"{where}: cites nothing; name its sources (textbook-unverified where it is memory)")
    for key in cited:
        if key not in known:
            problems.add(f"{where}: unknown source '{key}'{did_you_mean(key, known)}")


def _check_words(words: Words, problems: Problems) -> None:
    """Note words that findings and diagnoses use without their being defined."""
    for where, cited in [
        *_cited("findings.yaml", words.findings),
        *_cited("diagnoses.yaml", words.diagnoses),
    ]:
        _check_sources(where, cited, words.sources, problems)
    for finding in words.findings.values():
        for need in finding.needs:
            if need not in FIELDS[finding.modality]:
                known = FIELDS[finding.modality]
                hint = f"{did_you_mean(need, known)}; known: {', '.join(known)}"
                problems.add(f"findings.yaml: {finding.key}: unknown need '{need}'{hint}")
        if finding.merges_with and finding.merges_with not in words.findings:
            hint = did_you_mean(finding.merges_with, words.findings)
            problems.add(f"findings.yaml: {finding.key}: merges with unknown '{finding.merges_with}'{hint}")
    for diagnosis in words.diagnoses.values():
        if diagnosis.group not in words.groups:
            hint = did_you_mean(diagnosis.group, words.groups)
            problems.add(f"diagnoses.yaml: {diagnosis.key}: unknown group '{diagnosis.group}'{hint}")


def _check_rows(
    rows: Iterable[tuple[str, Association | Frequency]], words: Words, problems: Problems
) -> None:
    """Note counts and figures that name unknown words or say nothing, or two things."""
    for where, row in rows:
        if row.diagnosis not in words.diagnoses:
            hint = did_you_mean(row.diagnosis, words.diagnoses)
            problems.add(f"{where}: unknown diagnosis '{row.diagnosis}'{hint}")
        _check_sources(where, (row.source,), words.sources, problems)
        value = row.value if isinstance(row, Association) else ""
        if [row.k is not None, row.percent is not None, bool(value)].count(True) != 1:
            problems.add(f"{where}: expected one of k (with n), percent and value")
        if row.k is not None and row.n is not None and row.k > row.n:
            problems.add(f"{where}: k {row.k} is larger than n {row.n}")
        if isinstance(row, Frequency) and row.finding and row.finding not in words.findings:
            hint = did_you_mean(row.finding, words.findings)
            problems.add(f"{where}: unknown finding '{row.finding}'{hint}")
