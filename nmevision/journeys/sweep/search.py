"""Which values to try next: rounds of trials, each round told how the last one went."""

from __future__ import annotations

import itertools
import math
from collections.abc import Generator
from typing import Any

import numpy as np

from nmevision.errors import ConfigError
from nmevision.journeys.sweep.plan import LARGER_IS_BETTER, Range, Scalar, Sweep, Values

Rounds = Generator[list[Values], list[float | None], None]
"""Yields values to try together, and is sent the objective of each (None where it failed)."""
PATIENCE = 20
"""Draws for each trial of a random search until no new one is expected: few lists have few combinations."""
DIGITS = 4
"""Significant digits of a drawn number: more would only be harder to read."""


def rounds(sweep: Sweep) -> Rounds:
    """Return the rounds of a sweep; the same sweep with the same outcomes gives the same ones."""
    return {"grid": _grid, "random": _random, "optuna": _optuna}[sweep.search](sweep)


def _grid(sweep: Sweep) -> Rounds:
    """Try every combination, all in one round."""
    yield [dict(zip(sweep.values, some, strict=True)) for some in itertools.product(*sweep.values.values())]


def _random(sweep: Sweep) -> Rounds:
    """Try as many different combinations as were asked for, or as there are, in one round."""
    rng = np.random.default_rng(sweep.seed)
    assert sweep.trials is not None
    drawn: dict[str, Values] = {}
    for _ in range(PATIENCE * sweep.trials):
        values: dict[str, Scalar] = {key: some[rng.integers(len(some))] for key, some in sweep.values.items()}
        values |= {key: _within(one, float(rng.random())) for key, one in sweep.ranges.items()}
        drawn.setdefault(repr(values), values)
        if len(drawn) == sweep.trials:
            break
    yield list(drawn.values())


def _within(one: Range, share: float) -> float | int:
    """Return the number at a share, 0 to 1, of a range."""
    if one.whole:
        low, high = one.low - 0.5, one.high + 0.5  # so that both ends come up as often as the others
    else:
        low, high = one.low, one.high
    if one.log:
        value = math.exp(math.log(low) + share * (math.log(high) - math.log(low)))
    else:
        value = low + share * (high - low)
    return min(max(round(value), int(one.low)), int(one.high)) if one.whole else _readable(value)


def _readable(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")


def _optuna(sweep: Sweep) -> Rounds:
    """Let Optuna's tree-structured Parzen estimator propose, as many at a time as run in parallel.

    Bergstra et al. 2011, Algorithms for hyper-parameter optimization (NeurIPS 24).
    """
    optuna = _imported()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    kinds = optuna.distributions
    space: dict[str, Any] = {key: kinds.CategoricalDistribution(some) for key, some in sweep.values.items()}
    for key, one in sweep.ranges.items():
        whole = kinds.IntDistribution(int(one.low), int(one.high), log=one.log) if one.whole else None
        space[key] = whole or kinds.FloatDistribution(one.low, one.high, log=one.log)
    better = "maximize" if sweep.objective in LARGER_IS_BETTER else "minimize"
    study = optuna.create_study(direction=better, sampler=optuna.samplers.TPESampler(seed=sweep.seed))
    left = sweep.trials or 0
    while left:
        asked = [study.ask(space) for _ in range(min(left, sweep.launch.parallel))]
        left -= len(asked)
        found = yield [
            {
                key: _readable(v) if isinstance(v, float) and key in sweep.ranges else v
                for key, v in one.params.items()
            }
            for one in asked
        ]
        for one, value in zip(asked, found, strict=True):
            failed = optuna.trial.TrialState.FAIL if value is None else None
            study.tell(one, value, state=failed)


def _imported() -> Any:
    try:
        import optuna
    except ImportError:
        raise ConfigError(
            "search: optuna needs Optuna; install it with `pip install optuna`, or use search: random"
        ) from None
    return optuna
