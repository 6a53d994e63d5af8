"""A share of the inputs for each of several processes or machines: which one this process is, and what falls to it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from nmevision.errors import ConfigError
from nmevision.inference.inputs import Inputs

FIRST_SPECIAL_STEP = 0xFFFFFFF0
"""SLURM gives its own steps (batch script, interactive shell) numbers from about here; a step of srun counts from 0."""


@dataclass(frozen=True)
class Shard:
    """One of `count` shares; `number` counts from 1. said_by: who said so, "" where nobody did.

    >>> str(Shard(2, 4))
    '2/4'
    """

    number: int = 1
    count: int = 1
    said_by: str = ""

    def __str__(self) -> str:
        """Return it as --shard takes it."""
        return f"{self.number}/{self.count}"

    @property
    def name(self) -> str:
        """Return it as part of a file's name."""
        return f"{self.number}-of-{self.count}"

    @property
    def is_whole(self) -> bool:
        """Tell whether there is nothing to share."""
        return self.count == 1

    def of(self, inputs: Inputs) -> Inputs:
        """Return what falls to this shard: every `count`-th file of each kind, so that slides are spread as images are.

        The kind is the name's ending: every process comes to the same shares without opening a file.
        """
        samples, names = inputs.samples, inputs.names
        by_kind = sorted(range(len(samples)), key=lambda i: samples[i].path.suffix.lower())
        mine = sorted(by_kind[self.number - 1 :: self.count])
        return replace(inputs, samples=[samples[i] for i in mine], names=[names[i] for i in mine])


def shard_of(text: str | None, environment: Mapping[str, str] | None = None) -> Shard:
    """Return which share this process has to answer; all of the inputs where nobody says otherwise.

    text: "i/n", i from 1 to n; it goes before the environment. "1/1" is all of them, wherever it runs.
    environment: of this process by default. Read are torchrun's RANK and WORLD_SIZE, then srun's SLURM_PROCID and
        SLURM_STEP_NUM_TASKS. SLURM_NTASKS is not: it also stands in the batch script and in a login shell of an
        allocation, which are one process; neither counts a shell under `srun --pty` or `salloc`.
    Raises ConfigError where the numbers make no sense.

    >>> shard_of("2/4"), shard_of(None, {"SLURM_PROCID": "0", "SLURM_NTASKS": "4"}).is_whole
    (Shard(number=2, count=4, said_by='--shard'), True)
    """
    if text is not None:
        found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
        if found is None or not 1 <= int(found[1]) <= int(found[2]):
            raise ConfigError(
                f"--shard {text}: expected i/n, the number of this share and how many there are, counted from 1, "
                "such as --shard 2/4 for the second of four"
            )
        return Shard(int(found[1]), int(found[2]), "--shard")
    known = os.environ if environment is None else environment
    if "RANK" in known and "WORLD_SIZE" in known:
        return _counted(known, "RANK", "WORLD_SIZE")
    if "SLURM_PROCID" in known and "SLURM_STEP_NUM_TASKS" in known and not _is_a_shell(known):
        return _counted(known, "SLURM_PROCID", "SLURM_STEP_NUM_TASKS")
    return Shard()


def _is_a_shell(environment: Mapping[str, str]) -> bool:
    """Tell whether a person sits before this process: srun gave it a terminal, or SLURM started it as a shell."""
    step = environment.get("SLURM_STEP_ID", "")
    return "SLURM_PTY_PORT" in environment or (step.isdecimal() and int(step) >= FIRST_SPECIAL_STEP)


def _counted(environment: Mapping[str, str], rank: str, size: str) -> Shard:
    """Return the shard of a process that a launcher counts from 0."""
    values = environment[rank], environment[size]
    if not all(value.isdecimal() for value in values) or int(values[0]) >= int(values[1]):
        raise ConfigError(
            f"the environment says {rank}={values[0]} and {size}={values[1]}; expected numbers, the first below the "
            "second; unset them, or give --shard i/n (1/1 for all files in this process)"
        )
    return Shard(int(values[0]) + 1, int(values[1]), f"{rank} and {size}")
