"""Predictions and a manifest as files, without any image: what an evaluation is made from."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

KEYS = ("nme", "psoriasis", "eczema")


def made(folder: Path, n: int = 60, keys: tuple[str, ...] = KEYS, **columns: str) -> tuple[Path, Path]:
    """Write tables of `n` patients whose own class has 0.6, every seventh 0.2; further columns hold one text."""
    folder.mkdir(parents=True, exist_ok=True)
    rows, answers = [], []
    for i in range(n):
        own = i % len(keys)
        p = {
            key: round((0.2 if i % 7 == 0 else 0.6) + i / 1000, 6) if k == own else 0.0
            for k, key in enumerate(keys)
        }
        rest = (1 - sum(p.values())) / (len(keys) - 1)
        p = {key: value or round(rest + (key < keys[own]) * 1e-4, 6) for key, value in p.items()}
        row = {"id": f"i{i}", "diagnosis": keys[own], "patient_id": f"P{i}", "source": f"s{i % 2}"}
        rows.append(row | {key: text.replace("#", str(i)) for key, text in columns.items()})
        answers.append({"id": f"i{i}", "path": f"i{i}", "status": "ok", "message": "", "diagnosis": ""})
        answers[-1] |= {f"p_{key}": value for key, value in p.items()}
    pd.DataFrame(rows).to_csv(folder / "manifest.csv", index=False)
    pd.DataFrame(answers).to_csv(folder / "predictions.csv", index=False)
    return folder / "predictions.csv", folder / "manifest.csv"
