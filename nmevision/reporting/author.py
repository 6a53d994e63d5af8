"""What only the authors can tell of a report: read from a YAML file, and what is still missing."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from nmevision.errors import ConfigError
from nmevision.schema import Record, read_yaml, validate

Said = str | None


def _ask(question: str) -> Said:
    field: Said = Field(default=None, description=question)
    return field


class Author(Record):
    """The authors' statements, each a text or missing; a missing one is a visible gap in the report."""

    contact: Said = _ask("who answers for this model and report, and how to reach them")
    model_licence: Said = _ask("the terms under which the model may be used")
    intended_use: Said = _ask("what the model is for, in one or two sentences")
    intended_users: Said = _ask("who may use it, with which training")
    setting: Said = _ask("where in care or research it is used, on which preselected patients")
    out_of_scope: Said = _ask("what it must not be used for, such as screening, self-diagnosis or children")
    collection: Said = _ask("when, where and from whom the images were collected")
    eligibility: Said = _ask("which patients and images were included and excluded, and why")
    acquisition: Said = _ask(
        "devices or scanners, magnification, stain, resolution, artefacts, de-identification"
    )
    duplicates: Said = _ask("how duplicates were searched for (nmevision data audit), and what was removed")
    pretraining_overlap: Said = _ask(
        "whether test images may be in the encoder's pretraining; 'unknown' is an answer"
    )
    reference_standard: Said = _ask(
        "how each diagnosis was established: biopsy, clinicopathologic, caption only"
    )
    annotators: Said = _ask("who labelled, with which experience, blinded to what, and their agreement")
    nme_cause: Said = _ask(
        "the cause of NME in each positive patient: glucagonoma, pseudoglucagonoma, unknown"
    )
    sample_size: Said = _ask(
        "why this many patients; with so rare a disease: that no calculation was possible"
    )
    test_opening: Said = _ask(
        "when the test set was opened, and every deviation from the analysis planned before"
    )
    clinicians: Said = _ask("the comparison with clinicians; where there is none: none")
    privacy: Said = _ask("consent, ethics approval and data protection")
    funding: Said = _ask("who paid, and their part in the work")
    conflicts: Said = _ask("conflicts of interest; where there are none: none")
    registration: Said = _ask("the registered protocol; where there is none: none")
    availability: Said = _ask("where code, data and model can be had")
    involvement: Said = _ask("how patients and the public took part; where they did not: not")
    equity: Said = _ask("for whom the model may work less well, and what was done about it")
    compute: Said = _ask("hardware, hours and energy of the training")

    def said(self, key: str) -> str:
        """Return one statement, "" where it is missing or blank."""
        return (getattr(self, key) or "").strip()

    def missing(self) -> dict[str, str]:
        """Return key -> question of every statement that is missing."""
        return {key: question(key) for key in type(self).model_fields if not self.said(key)}


def question(key: str) -> str:
    """Return what a statement is asked for with."""
    return Author.model_fields[key].description or ""


def read_author(path: Path) -> Author:
    """Return the statements of a YAML file; raise ConfigError about unknown keys (did you mean)."""
    return validate(Author, read_yaml(path, ConfigError), str(path), ConfigError)


def template(missing: dict[str, str]) -> str:
    """Return a YAML text to fill in, one line per missing statement under its question.

    >>> print(template({"funding": "who paid"}), end="")
    # who paid
    funding:
    """
    return "".join(f"# {asked}\n{key}:\n" for key, asked in missing.items())
