"""What a sweep tries: a YAML of values and ranges, and every trial of it as a full configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from nmevision.config import NAME_PATTERN, ExperimentConfig, load
from nmevision.errors import ConfigError, Problems
from nmevision.journeys.suite import Phantoms
from nmevision.schema import Record, read_yaml, validate

Scalar = bool | int | float | str | None
Values = Mapping[str, Scalar]
"""What one trial is given: key of the configuration -> value."""
Objective = Literal["loss", "auroc", "balanced_accuracy"]
LARGER_IS_BETTER = ("auroc", "balanced_accuracy")
NOT_SWEPT = ("name", "output")
"""Keys that a sweep sets itself, so that no trial writes over another."""


class Range(Record):
    """Numbers from `low` to `high`; log: as many between 1 and 10 as between 10 and 100. whole: integers."""

    low: float
    high: float
    log: bool = False
    whole: bool = False

    @model_validator(mode="after")
    def _has_an_inside(self) -> Self:
        if not self.low < self.high:
            raise ValueError(f"low is {self.low:g} and high {self.high:g}; low must be the smaller")
        if self.log and self.low <= 0:
            raise ValueError(f"low is {self.low:g}; a range with log: true begins above 0")
        if self.whole and not (self.low.is_integer() and self.high.is_integer()):
            raise ValueError(
                f"low is {self.low:g} and high {self.high:g}; with whole: true both are integers"
            )
        return self


class Launch(Record):
    """How trials are started; the command line says where (`--launcher`).

    parallel: trials at a time; in process (`debug`) it is one. minutes: a trial that takes longer is ended.
    cpus, gpus, memory_gb: asked of SLURM for each trial. slurm: more for it, such as {partition: gpu, account: me}.
    """

    parallel: int = Field(default=1, ge=1)
    minutes: int = Field(default=1440, ge=1)
    cpus: int | None = Field(default=None, ge=1)
    gpus: int | None = Field(default=None, ge=0)
    memory_gb: float | None = Field(default=None, gt=0)
    slurm: dict[str, str | int] = Field(default_factory=dict)


class Sweep(Record):
    """A sweep over one configuration.

    config: what every trial starts from, from the sweep's folder. values: key -> list of values; a list of one sets it
    for all trials; paths in it start from the working folder. ranges: key -> Range, where values are drawn.
    search: grid tries every combination; random draws `trials` of them; optuna draws them by what was best so far.
    objective: what optuna follows, and what the table is ordered by: a figure of validation, never of the test split.
    draw: synthetic images to train on where no data.manifest is given.
    """

    name: str = Field(pattern=NAME_PATTERN)
    config: str
    search: Literal["grid", "random", "optuna"] = "grid"
    trials: int | None = Field(default=None, ge=1)
    seed: int = Field(default=0, ge=0)
    objective: Objective = "loss"
    values: dict[str, tuple[Scalar, ...]] = Field(default_factory=dict)
    ranges: dict[str, Range] = Field(default_factory=dict)
    draw: Phantoms | None = None
    launch: Launch = Launch()

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        wrong = [
            f"{key} is set by the sweep itself"
            for key in (*self.values, *self.ranges)
            if key.split(".")[0] in NOT_SWEPT
        ]
        wrong += [f"{key} stands in values and in ranges" for key in self.values if key in self.ranges]
        wrong += [f"values.{key} is an empty list" for key, some in self.values.items() if not some]
        wrong += [
            f"values.{key} holds a value twice"
            for key, some in self.values.items()
            if len({repr(one) for one in some}) < len(some)
        ]
        if not self.values and not self.ranges:
            wrong.append("neither values nor ranges are given: there is nothing to try")
        if self.search == "grid" and self.ranges:
            wrong.append(
                f"a grid cannot hold ranges ({', '.join(self.ranges)}): list values, or use search: random"
            )
        if self.search == "grid" and self.trials is not None:
            wrong.append("a grid tries every combination: leave out trials, or use search: random")
        if self.search != "grid" and self.trials is None:
            wrong.append(f"search: {self.search} needs trials, how many to try")
        if wrong:
            raise ValueError("; ".join(wrong))
        return self

    @property
    def swept(self) -> list[str]:
        """Return the keys that differ between trials."""
        return [key for key, some in self.values.items() if len(some) > 1] + list(self.ranges)


@dataclass(frozen=True)
class Trial:
    """One configuration of a sweep and what makes it differ from the others."""

    values: Values
    config: ExperimentConfig

    @property
    def name(self) -> str:
        """Return what names its folder: the configuration's fingerprint."""
        return self.config.fingerprint


def load_sweep(path: Path) -> Sweep:
    """Return the sweep in a YAML file; raise ConfigError with every mistake."""
    return validate(Sweep, read_yaml(path, ConfigError), str(path), ConfigError)


def resolve(sweep: Sweep, folder: Path, some: Sequence[Values], overrides: Sequence[str]) -> list[Trial]:
    """Return every trial as a full configuration, in order.

    folder: of the sweep's file. overrides: key=value for all trials, not of keys that are swept.
    Raises ConfigError with the mistakes of all trials, each once.
    """
    taken = [text for text in overrides if text.split("=")[0] in (*sweep.values, *sweep.ranges)]
    if taken:
        raise ConfigError(f"{', '.join(taken)}: the sweep gives values to that key itself; change its file")
    problems, said, trials = Problems(), set[str](), list[Trial]()
    for values in some:
        texts = [*(f"{key}={_written(value)}" for key, value in values.items()), f"name={sweep.name}"]
        try:
            trials.append(Trial(values, load(folder / sweep.config, [*texts, *overrides])))
        except ConfigError as problem:
            heading, *lines = str(problem).splitlines()
            for line in [line.removeprefix("  - ") for line in lines] or [heading]:
                if line not in said:
                    problems.add(line)
                    said.add(line)
    problems.raise_if_any(ConfigError, f"sweep '{sweep.name}'")
    return trials


def _written(value: Scalar) -> str:
    """Return a value as an override has it."""
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)
