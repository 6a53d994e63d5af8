"""Images outside every diagnosis a model knows: how often it calls one of them positive."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nmevision.evaluation.intervals import clopper_pearson
from nmevision.evaluation.report import positive_target
from nmevision.inference.predictor import Predictor
from nmevision.manifest import Manifest
from nmevision.networks.bundle import Bundle
from nmevision.predictions import by_case, read_predictions


def called_positive(bundle: Bundle, manifest: Manifest, out: Path, positive: str | None) -> dict[str, Any]:
    """Return the leaderboard's columns on images of which none is positive; write the predictions to `out`.

    A patient is called positive where the most probable diagnosis is one of the positive ones; a patient none
    of whose images could be read is counted apart. The interval is exact (Clopper-Pearson).
    """
    Predictor(bundle).predict(manifest, out, resume=True)
    target = positive_target(bundle.info.taxonomy, positive or bundle.info.positive)
    if target is None:
        return {"note": "no positive is declared, so none can be called"}
    cases = by_case(read_predictions(out / "predictions.csv"))
    answered = cases[cases["n_answered"] > 0]
    members = [bundle.info.taxonomy.keys[index] for index in target.members]
    count, n = int(answered["diagnosis"].isin(members).sum()), len(answered)
    found: dict[str, Any] = {"positive": target.name, "called_positive": count, "n_negative": n}
    if n == 0:
        return found | {"note": f"none of {len(cases)} patients could be read"}
    interval = clopper_pearson(count, n)
    unread = f"; {len(cases) - n} could not be read" if n < len(cases) else ""
    return found | {
        "called_positive_rate": count / n,
        "called_positive_low": interval.low,
        "called_positive_high": interval.high,
        "n": f"{n} patients outside the question",
        "note": f"called {target.name}: {count} of {n} patients, {count / n:.1%} "
        f"({interval.low:.1%} to {interval.high:.1%}){unread}",
    }
