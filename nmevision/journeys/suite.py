"""What a suite file says: held-out sets, what is asked of them and what an answer may be taken for."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from nmevision.data.sources import SOURCES
from nmevision.data.uci_dermatology import FILE, URL, UciDermatology, read_uci_dermatology
from nmevision.errors import ConfigError, DataError, did_you_mean
from nmevision.journeys.uci.contenders import Asked
from nmevision.manifest import Manifest, Split, read_manifest
from nmevision.schema import Record, read_yaml, validate

Endpoint = Literal["auroc", "auprc", "balanced_accuracy", "macro_f1", "brier", "called_positive"]


class Phantoms(Record):
    """Synthetic images to draw where they are not there yet; see `nmevision data phantom`."""

    modality: Literal["histology", "clinical"]
    n: int = 96
    seed: int = Field(default=0, ge=0)
    size: int = 224
    laboratories: int = 4


class HeldOutSet(Record):
    """One image set of a suite.

    manifest: table of images, from the suite's folder. split: only these rows.
    public: the public set it is made of (`nmevision data sources`), to say where to get it.
    draw: synthetic images to put there when the manifest is not there; its name is manifest.csv then.
    positive: diagnosis or group that the leaderboard ranks by; each bundle's own by default.
    outside: no image is of any diagnosis: how many patients are called positive is counted, nothing else.
    grades: the set is the UCI table of graded findings, answered from these findings; it has no images.
    fingerprint: of the manifest, where the suite pins it.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    manifest: str
    root: str | None = None
    public: str | None = None
    draw: Phantoms | None = None
    split: Split | None = None
    positive: str | None = None
    outside: bool = False
    grades: Asked | None = None
    title: str = ""
    licence: str = ""
    citation: str = ""
    fingerprint: str | None = None

    @model_validator(mode="after")
    def _is_known(self) -> Self:
        if self.public is not None and self.public not in SOURCES.names():
            raise ValueError(
                f"unknown public set '{self.public}'{did_you_mean(self.public, SOURCES.names())}"
            )
        if self.grades and Path(self.manifest).name != FILE:
            raise ValueError(f"set '{self.name}' holds grades, so its table is the repository's own {FILE}")
        if self.draw is not None and Path(self.manifest).name != "manifest.csv":
            raise ValueError(f"set '{self.name}' is drawn, so its manifest is named manifest.csv")
        return self

    @property
    def terms(self) -> str:
        """Return title, licence and citation in one line; the public set's own where the suite gives none."""
        known = SOURCES.get(self.public) if self.public else None
        mine = (self.title, self.licence, self.citation)
        theirs = (known.title, known.licence, known.citation) if known else ("", "", "")
        return "; ".join(own or other for own, other in zip(mine, theirs, strict=True) if own or other)


class Suite(Record):
    """Held-out sets that models are compared on, and what the comparison is for.

    aggregation: the unit of every number. primary: the endpoint that decides. claims: what a result may be
    taken for; anything else is not claimed.
    """

    name: str
    description: str = ""
    aggregation: Literal["patient"] = "patient"
    primary: Endpoint = "auroc"
    claims: tuple[str, ...] = ()
    sets: tuple[HeldOutSet, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _tells_sets_apart(self) -> Self:
        names = [held_out.name for held_out in self.sets]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"set '{twice[0]}' is listed twice; each has its own name")
        return self

    def preamble(self) -> list[str]:
        """Return what the leaderboard says before its tables."""
        lines = [
            self.description.strip(),
            "",
            f"Primary endpoint: {self.primary.replace('_', ' ')}, by {self.aggregation}.",
        ]
        if self.claims:
            lines += ["", "What a result may be taken for, and nothing else:", ""]
            lines += [f"- {claim}" for claim in self.claims]
        return lines


def load_suite(path: Path) -> Suite:
    """Return the suite in a YAML file; raise ConfigError with every mistake."""
    return validate(Suite, read_yaml(path, ConfigError), str(path), ConfigError)


def read_sets(suite: Suite, base: Path) -> tuple[dict[str, Manifest | UciDermatology], dict[str, str]]:
    """Return the sets that are there by name, and why the others are left out.

    Raises DataError where none is there, or one that is there is broken.
    """
    found: dict[str, Manifest | UciDermatology] = {}
    absent: dict[str, str] = {}
    for held_out in suite.sets:
        reason = _why_absent(held_out, base)
        if reason:
            absent[held_out.name] = reason
        elif held_out.grades:
            found[held_out.name] = read_uci_dermatology((base / held_out.manifest).parent)
        else:
            found[held_out.name] = _read(held_out, base)
    if not found:
        lines = [f"  - {name}: {reason}" for name, reason in absent.items()]
        raise DataError("\n".join([f"suite '{suite.name}': none of its sets can be run", *lines]))
    return found, absent


def _why_absent(held_out: HeldOutSet, base: Path) -> str:
    """Return why a set cannot be run and what to do about it, "" where it can."""
    manifest = base / held_out.manifest
    if held_out.grades and not manifest.is_file():
        return f"{manifest} is not there; get {FILE} from {URL} and put it there"
    if manifest.is_file() or held_out.draw is not None:
        return ""
    reason = f"{manifest} is not there"
    if held_out.public is not None:
        known = SOURCES.get(held_out.public)
        folder = Path(held_out.manifest).parent.name
        reason += (
            f"; get the set from {known.where}, put it in {manifest.parent} and run: nmevision data index "
            f"{folder} --source {known.name} --allow-nc (there, where your use keeps to its terms)"
        )
    return reason


def _read(held_out: HeldOutSet, base: Path) -> Manifest:
    """Return one set's rows; draw them first where the suite says so and they are not there."""
    root = base / held_out.root if held_out.root else None
    path = base / held_out.manifest
    if held_out.draw is not None and not path.is_file():
        from nmevision.phantom.dataset import make  # only suites that draw need it

        make(path.parent, **held_out.draw.model_dump())
    manifest = read_manifest(path, purpose="predict", root=root)
    if held_out.fingerprint and manifest.fingerprint != held_out.fingerprint:
        raise DataError(
            f"{held_out.manifest}: not the table the suite was made for (fingerprint {manifest.fingerprint[:12]}, "
            f"expected {held_out.fingerprint[:12]}); restore it, or make a new suite"
        )
    if held_out.split is not None:
        manifest = manifest.select(manifest.frame["split"] == held_out.split)
    if not len(manifest):
        raise DataError(
            f"{held_out.manifest}: no row of split '{held_out.split}'; set '{held_out.name}' is empty"
        )
    return manifest
