"""The diagnoses a model can name, their groups, and how other spellings map onto them.

A taxonomy file lists groups and diagnoses in order. A smaller taxonomy is derived from a larger one:

    name: nme-vs-mimic
    based_on: necrolytic-and-mimics.yaml
    diagnoses:
      - {key: nme, name: necrolytic migratory erythema, group: necrolytic, takes: [nme]}
      - {key: mimic, name: any mimic, group: mimic, takes: rest}
    exclude: {pellagra: "H&E cannot separate it from NME"}
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from nmevision.errors import ConfigError, Problems, did_you_mean
from nmevision.schema import Record, read_yaml, validate

KEY_PATTERN = r"^[a-z0-9][a-z0-9_]*$"
_MISSPELT = 0.85
"""difflib ratio above which an excluded label is a misspelt key, not a label of the user's own."""


def normalise_label(label: str) -> str:
    """Return a label without case, punctuation and spacing, for comparing spellings.

    >>> normalise_label("  Pityriasis-Rubra_pilaris ")
    'pityriasis rubra pilaris'
    >>> normalise_label("Darier's disease")
    'dariers disease'
    """
    folded = re.sub(r"['’]", "", unicodedata.normalize("NFKC", label).casefold())
    return re.sub(r"[\s_\-–—/,.:;&()\[\]\"]+", " ", folded).strip()


class Group(Record):
    """What an H&E slide (or photo) can really tell: diagnoses that share one pattern."""

    key: str = Field(pattern=KEY_PATTERN)
    name: str
    note: str = ""


class Diagnosis(Record):
    """A leaf class: its key in tables, its full name, its group and the spellings that mean it."""

    key: str = Field(pattern=KEY_PATTERN)
    name: str
    group: str
    labels: tuple[str, ...] = ()

    @property
    def spellings(self) -> tuple[str, ...]:
        """Return every text that means this diagnosis: key, name and labels."""
        return (self.key, self.name, *self.labels)


class Taxonomy(Record):
    """The ordered diagnoses and groups, and the labels excluded from them with the reason."""

    name: str
    description: str = ""
    groups: tuple[Group, ...]
    diagnoses: tuple[Diagnosis, ...] = Field(min_length=2)
    exclude: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _is_consistent(self) -> Taxonomy:
        """Refuse repeated keys, unknown groups and spellings that mean two things."""
        problems = []
        groups = [group.key for group in self.groups]
        keys = [diagnosis.key for diagnosis in self.diagnoses]
        for kind, names in (("group", groups), ("diagnosis", keys)):
            problems += [
                f"{kind} '{k}' is listed twice" for k in sorted({n for n in names if names.count(n) > 1})
            ]
        for diagnosis in self.diagnoses:
            if diagnosis.key.startswith("group_"):
                problems.append(
                    f"diagnosis '{diagnosis.key}': columns p_group_... are the groups'; rename it"
                )
            if diagnosis.group not in groups:
                hint = did_you_mean(diagnosis.group, groups)
                problems.append(f"diagnosis '{diagnosis.key}': unknown group '{diagnosis.group}'{hint}")
        owner: dict[str, str] = {}
        claims = [(text, d.key) for d in self.diagnoses for text in d.spellings]
        for text, key in claims + [(text, "(excluded)") for text in self.exclude]:
            other = owner.setdefault(normalise_label(text), key)
            if other != key:
                problems.append(f"label '{text}' means both '{other}' and '{key}'")
        if problems:
            raise ValueError("; ".join(problems))
        return self

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """Return the diagnosis keys in order: the order of every probability vector."""
        return tuple(diagnosis.key for diagnosis in self.diagnoses)

    @cached_property
    def group_of(self) -> dict[str, str]:
        """Return the group key of every diagnosis key."""
        return {diagnosis.key: diagnosis.group for diagnosis in self.diagnoses}

    @cached_property
    def _meaning(self) -> dict[str, str]:
        return {normalise_label(text): d.key for d in self.diagnoses for text in d.spellings}

    @cached_property
    def _excluded(self) -> dict[str, str]:
        return {normalise_label(text): reason for text, reason in self.exclude.items()}

    def diagnosis_of(self, label: str) -> str | None:
        """Return the diagnosis key a label means, or None where it is unknown or excluded."""
        return self._meaning.get(normalise_label(label))

    def exclusion_of(self, label: str) -> str | None:
        """Return the reason why a label is excluded, or None where it is not."""
        return self._excluded.get(normalise_label(label))

    def unknown_label(self, label: str) -> str:
        """Return the message for a label this taxonomy has no word for."""
        spellings = [text for diagnosis in self.diagnoses for text in diagnosis.spellings]
        hint = did_you_mean(label, [*spellings, *self.exclude])
        return f"unknown label '{label}'{hint}; taxonomy '{self.name}' knows: {', '.join(self.keys)}"

    def members_of(self, name: str) -> tuple[str, ...]:
        """Return the diagnoses meant by a diagnosis key, one of its spellings or a group key.

        Raises ConfigError where `name` is neither.
        """
        key = self.diagnosis_of(name)
        if key is not None:
            return (key,)
        members = tuple(k for k in self.keys if self.group_of[k] == name)
        if not members:
            known = [*self.keys, *(group.key for group in self.groups)]
            raise ConfigError(
                f"'{name}' is no diagnosis or group of taxonomy '{self.name}'{did_you_mean(name, known)}; "
                f"known: {', '.join(known)}"
            )
        return members


class _Part(Record):
    """One diagnosis of a derived taxonomy: which of the base's diagnoses it takes."""

    key: str = Field(pattern=KEY_PATTERN)
    name: str
    group: str
    takes: tuple[str, ...] | Literal["rest"]
    labels: tuple[str, ...] = ()


class _Derived(Record):
    """A taxonomy file that starts from another one."""

    name: str
    description: str = ""
    based_on: str
    groups: tuple[Group, ...] = ()
    diagnoses: tuple[_Part, ...] = Field(min_length=2)
    exclude: dict[str, str] = Field(default_factory=dict)


def load_taxonomy(path: Path) -> Taxonomy:
    """Read a taxonomy file (and the one it is based on); raise ConfigError with every mistake."""
    return _load(Path(path), ())


def _load(path: Path, below: tuple[Path, ...]) -> Taxonomy:
    """Return the taxonomy in `path`, which the files `below` are based on."""
    if path.resolve() in below:
        raise ConfigError(f"{path}: is based on itself, through `based_on`; name the file it starts from")
    content = read_yaml(path, ConfigError)
    if "based_on" not in content:
        return taxonomy_from(content, str(path))
    derived = validate(_Derived, content, str(path), ConfigError)
    base = _load(path.parent / derived.based_on, (*below, path.resolve()))
    return _derive(derived, base, str(path))


def taxonomy_from(content: Mapping[str, Any], where: str) -> Taxonomy:
    """Return the taxonomy held in a mapping, as a bundle carries it."""
    return validate(Taxonomy, content, where, ConfigError)


def _derive(derived: _Derived, base: Taxonomy, where: str) -> Taxonomy:
    """Return the flat taxonomy that `derived` makes of `base`."""
    _check_parts(derived, base, where)
    named = {key for part in derived.diagnoses if part.takes != "rest" for key in part.takes}
    left_out = {base.diagnosis_of(label) for label in derived.exclude}
    rest = [key for key in base.keys if key not in named and key not in left_out]
    spellings = {d.key: d.spellings for d in base.diagnoses}
    diagnoses = [_flatten(part, rest, spellings) for part in derived.diagnoses]
    groups = [group.model_dump() for group in derived.groups]
    own = {group["key"] for group in groups}
    used = {part.group for part in derived.diagnoses}
    groups += [group.model_dump() for group in base.groups if group.key in used - own]
    excluded = dict(base.exclude) | {
        text: reason
        for label, reason in derived.exclude.items()
        for text in spellings.get(base.diagnosis_of(label) or "", (label,))
    }
    return taxonomy_from(
        {
            "name": derived.name,
            "description": derived.description,
            "groups": groups,
            "diagnoses": diagnoses,
            "exclude": excluded,
        },
        where,
    )


def _check_parts(derived: _Derived, base: Taxonomy, where: str) -> None:
    """Raise ConfigError where a diagnosis of `base` is misspelt, or wanted more than once."""
    problems = Problems()
    takers: dict[str, list[str]] = {}
    for part in derived.diagnoses:
        for key in dict.fromkeys(("rest",) if part.takes == "rest" else part.takes):
            takers.setdefault(key, []).append(f"'{part.key}'")
            if part.takes != "rest" and key not in base.keys:
                hint = did_you_mean(key, base.keys)
                problems.add(f"'{part.key}' takes '{key}', which '{base.name}' does not have{hint}")
    plain = {normalise_label(key): key for key in base.keys}
    for label in derived.exclude:
        excluded = base.diagnosis_of(label)
        near = difflib.get_close_matches(normalise_label(label), plain, n=1, cutoff=_MISSPELT)
        if excluded is not None:
            takers.setdefault(excluded, []).append("exclude")
        elif near:
            meant = plain[near[0]]
            problems.add(f"exclude: '{base.name}' has no '{label}' (did you mean '{meant}'?)")
    for key, wanted in takers.items():
        if len(set(wanted)) > 1:
            problems.add(f"'{key}' is taken more than once: {', '.join(dict.fromkeys(wanted))}")
    problems.raise_if_any(ConfigError, where)


def _flatten(part: _Part, rest: Iterable[str], spellings: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:
    """Return one derived diagnosis with the spellings of all that it takes."""
    taken = rest if part.takes == "rest" else part.takes
    labels = [text for key in taken for text in spellings[key]]
    return {
        "key": part.key,
        "name": part.name,
        "group": part.group,
        "labels": tuple(dict.fromkeys([*part.labels, *labels])),
    }
