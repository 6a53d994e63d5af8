"""The words of the knowledge: sources, findings, diagnoses, profiles and the clinical data around them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from nmevision.schema import Record
from nmevision.taxonomy import KEY_PATTERN

Modality = Literal["histology", "clinical"]
Tag = Literal["a", "u", "c", "t"]

MODALITIES: tuple[Modality, ...] = ("histology", "clinical")
HIGHEST_GRADE = 3
TEXTBOOK = "textbook-unverified"
"""Key of the source of every `t` cell: the compiler's memory, to be elicited again from dermatopathologists."""

TAGS: dict[str, str] = {
    "a": "stated in a cited text; the number is our translation of its words",
    "u": "agrees with the class mean of the UCI Dermatology table (within 0.75)",
    "c": "textbook grade in conflict with the UCI class mean (by more than 0.75)",
    "t": "textbook knowledge of the compiler, not looked up",
}
"""What each evidence tag of a graded cell means."""

GRADES: tuple[str, ...] = ("absent", "mild or occasional", "moderate or usual", "marked or defining")
"""What a grade means, by its number. On clinical photos: how typical of the disease, not how severe."""

FIELDS: dict[Modality, dict[str, str]] = {
    "histology": {
        "horn": "stratum corneum",
        "upper_epidermis": "upper half of the epidermis, with the granular layer",
        "whole_epidermis": "epidermis from horn to basal layer",
        "papillary_dermis": "papillary dermis",
        "upper_dermis": "papillary and upper reticular dermis",
        "follicle": "a hair follicle",
    },
    "clinical": {
        "folds": "groins, axillae or other folds",
        "perineum_buttocks": "perineum, genitals or buttocks",
        "face": "centre of the face, around the mouth",
        "acral_lower_leg": "hands, feet or lower legs",
        "trunk": "chest, abdomen or back",
        "photoexposed": "neck, face, backs of hands or forearms",
        "extensors": "elbows or knees",
        "scalp": "scalp",
        "mouth": "lips and inside of the mouth",
        "mucosa": "mucosa of mouth, eye or genitals",
        "nails": "nails",
        "hair": "scalp hair, brows or lashes",
        "history": "told by the patient; no photo shows it",
        "two_times": "two photos some days apart, or the history",
    },
}
"""What must be in the field to assess a finding, by modality: key and plain words."""


class Source(Record):
    """Where a statement comes from, and how far to trust it."""

    key: str = Field(min_length=1)
    code: str = Field(min_length=1)
    """Short code of the compilation: S0 to S4 (the first documents), W1 to W21 (further pages), T (textbook)."""
    citation: str = Field(min_length=1)
    kind: str = Field(min_length=1)
    reliability: str = Field(min_length=1)
    doi: str = ""
    pmid: str = ""
    url: str = ""
    note: str = ""


class Finding(Record):
    """Something a pathologist or a dermatologist sees and grades 0 to 3."""

    key: str = Field(pattern=KEY_PATTERN)
    name: str = Field(min_length=1)
    definition: str = Field(min_length=1)
    layer: str = Field(min_length=1)
    modality: Modality
    needs: tuple[str, ...] = ()
    """Keys of FIELDS that must all be in the field; without them the finding is missing, not 0."""
    sources: tuple[str, ...] = ()
    remark: str = ""
    merges_with: str = ""
    """Another finding to merge with where two raters cannot tell the two apart, or ""."""
    in_photo: bool = True
    """Clinical: whether one photo can show it (False: it takes history or two photos)."""
    skincon: tuple[str, ...] = ()
    """Clinical: the nearest concept names of the SkinCon set."""
    uci: tuple[int, ...] = ()
    """Attribute numbers (1 to 34) of the UCI Dermatology table that mean this finding, the main one first."""


class Group(Record):
    """A tissue reaction pattern: what one H&E section can really tell."""

    key: str = Field(pattern=KEY_PATTERN)
    name: str = Field(min_length=1)
    note: str = ""


class Diagnosis(Record):
    """A diagnosis, what separates it from the others of its group, and what to do next."""

    key: str = Field(pattern=KEY_PATTERN)
    name: str = Field(min_length=1)
    group: str
    synonyms: tuple[str, ...] = ()
    icd10: str = ""
    stages: tuple[str, ...] = ()
    """Stages of its histology profiles; () where one profile stands for all of it."""
    separates: str = ""
    """What tells it from the other members of its group, in words."""
    separable_on_he: Literal["", "no", "weak"] = ""
    """Whether H&E tells it from the other members of its group; "" where no source was read on it."""
    next_tests: tuple[str, ...] = ()
    note: str = ""
    sources: tuple[str, ...] = ()


class Cell(Record):
    """What one diagnosis (at one stage) is expected to show of one finding."""

    grade: int = Field(ge=0, le=HIGHEST_GRADE)
    tag: Tag
    sources: tuple[str, ...] = Field(min_length=1)

    def __str__(self) -> str:
        return f"{self.grade}{self.tag}"


class Profile(Record):
    """The expected grades of all findings of a modality in one diagnosis at one stage ("" if single)."""

    diagnosis: str
    stage: str = ""
    modality: Modality
    cells: Mapping[str, Cell]

    def distance(self, other: Profile) -> int:
        """Return the sum of |difference of grades| over the findings that both have; smaller is harder."""
        shared = self.cells.keys() & other.cells.keys()
        return sum(abs(self.cells[key].grade - other.cells[key].grade) for key in shared)

    @property
    def key(self) -> str:
        """Return `diagnosis` or `diagnosis:stage`, as the columns of the profile files are headed."""
        return f"{self.diagnosis}:{self.stage}" if self.stage else self.diagnosis


class Association(Record):
    """A count, a percentage or a figure of the clinical data around a diagnosis, as its source prints it."""

    diagnosis: str
    feature: str = Field(min_length=1)
    among: str = Field(min_length=1)
    """Whom n counts: "glucagonoma" is not "glucagonoma with NME"."""
    k: int | None = Field(default=None, ge=0)
    n: int | None = Field(default=None, gt=0)
    percent: float | None = Field(default=None, ge=0, le=100)
    """Only where a percentage is printed without its count k."""
    value: str = ""
    """A figure that is no proportion, or a range, as printed: "mean 48.2 years"."""
    source: str
    note: str = ""


class Frequency(Record):
    """How often a finding was seen in the cases of one diagnosis."""

    diagnosis: str
    modality: Modality
    finding: str = ""
    """A finding's key, or "" where the sign has none here."""
    sign: str = Field(min_length=1)
    """The sign in the words of the source's table."""
    k: int | None = Field(default=None, ge=0)
    n: int | None = Field(default=None, gt=0)
    percent: float | None = Field(default=None, ge=0, le=100)
    source: str
    note: str = ""


class Case(Record):
    """One published patient; every value is text as printed (">800" stays censored, "?" is not stated)."""

    patient_id: str
    sources: tuple[str, ...]
    values: Mapping[str, str]
    note: str = ""


class WorkupItem(Record):
    """A next step to consider, said to a clinician; it never holds a dose."""

    key: str
    text: str
    when: str
    sources: tuple[str, ...]


class Knowledge(Record):
    """All tables together; the order of every mapping is that of its file."""

    fingerprint: str
    """SHA-256 (64 hexadecimal digits) of the data files and of the user's own profiles, if any."""
    sources: Mapping[str, Source]
    findings: Mapping[str, Finding]
    groups: Mapping[str, Group]
    diagnoses: Mapping[str, Diagnosis]
    profiles: tuple[Profile, ...]
    associations: tuple[Association, ...] = ()
    frequencies: tuple[Frequency, ...] = ()
    workup: tuple[WorkupItem, ...] = ()
    cases: tuple[Case, ...] = ()

    @property
    def group_of(self) -> dict[str, str]:
        """Return the group key of every diagnosis key."""
        return {diagnosis.key: diagnosis.group for diagnosis in self.diagnoses.values()}

    def findings_of(self, modality: Modality) -> tuple[Finding, ...]:
        """Return the findings of a modality in file order: the order of every vector of grades."""
        return tuple(finding for finding in self.findings.values() if finding.modality == modality)

    def profiles_of(self, modality: Modality, diagnosis: str = "") -> tuple[Profile, ...]:
        """Return the profiles of a modality in file order; only those of `diagnosis` where it is given."""
        wanted = (p for p in self.profiles if p.modality == modality)
        return tuple(p for p in wanted if diagnosis in ("", p.diagnosis))

    def tag_counts(self, modality: Modality) -> dict[str, int]:
        """Return how many cells of a modality's profiles carry each evidence tag."""
        tags: list[str] = [
            cell.tag for profile in self.profiles_of(modality) for cell in profile.cells.values()
        ]
        return {tag: tags.count(tag) for tag in TAGS}

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain JSON values, for a page that reads it with JavaScript."""
        return self.model_dump(mode="json")
