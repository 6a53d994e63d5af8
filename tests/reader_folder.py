"""Folders as `nmevision predict` leaves them, made without any network: drawn images and a grader of chance."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image
from reader_cases import Bench, taxonomy

from nmevision.files import write_csv, write_json
from nmevision.knowledge.prior import Prior
from nmevision.manifest import manifest_of
from nmevision.networks.sets import PredictionSets, SetLimit, with_sets
from nmevision.predictions import DECIMALS, by_case, read_predictions, table_of
from nmevision.reader.references import References

SECRET = "Jane Doe of Elm Street"
"""Stands in the EXIF comment of every drawn image; no page may hold it."""
HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>.jpg"


def _limits(patients: dict[str, int]) -> tuple[SetLimit, ...]:
    return tuple(SetLimit(key=k, patients=n, least=0.1 if n >= 9 else None) for k, n in patients.items())


SETS = PredictionSets(
    level=0.9,
    needed=9,
    diagnoses=_limits({key: 2 if key in ("nme", "pellagra") else 30 for key in taxonomy().keys}),
    groups=_limits(
        {key: 4 if key == "necrolytic" else 30 for key in dict.fromkeys(taxonomy().group_of.values())}
    ),
)
"""What the drawn model cannot rule out: the necrolytic group has too few validation patients."""


def make_folder(folder: Path, n: int, *, seed: int = 7, side: int = 96, hostile: bool = True) -> Bench:
    """Write predictions of n images (the first unreadable, the second flagged) and the images in images/."""
    bench = Bench("histology", n, seed, Prior())
    (folder / "images").mkdir(parents=True)
    names = [f"sub/case {i:04d}.jpg" for i in range(n)]
    if hostile:
        names[2] = HOSTILE.replace("/", "_")
        names[3] = "../../outside.jpg"
    rows = pd.DataFrame(
        {
            "id": names,
            "path": names,
            "status": ["error", "flagged", *["ok"] * (n - 2)],
            "message": ["'broken.jpg' <b>cut short</b>", "unlike every training image", *[""] * (n - 2)],
            "patient_id": [f"patient {i // 2}" for i in range(n)],
            "source": "here & there",
        }
    )
    answers = [{}, *(_numbers(bench, row) for row in bench.rows[1:])]
    answers[1]["novelty"] = 1.0
    own = taxonomy()
    table = with_sets(table_of(rows, answers, own.keys, own.group_of), SETS)
    table.write(folder / "predictions.csv")
    write_csv(folder / "cases.csv", by_case(table, own.group_of), DECIMALS)
    write_json(folder / "run.json", _facts(bench))
    for name in names[1:]:
        draw(folder / "images" / name.replace("../", ""), side, bench.rng)
    return bench


def _numbers(bench: Bench, row: dict[str, Any]) -> dict[str, float]:
    """Return the columns that a model would write for one row, without any correction."""
    fused, own = bench.fused({**row, "given": {}}), taxonomy().keys
    columns = {"novelty": 0.4, "fit": float(fused["fit"])}  # type: ignore[arg-type]
    for prefix, values in (
        ("p_", fused["p"]),
        ("learned_", row["learned"]),
        ("knowledge_", fused["knowledge"]),
    ):
        columns |= {prefix + key: value for key, value in zip(own, values, strict=True)}  # type: ignore[arg-type]
    for prefix, name in (("finding_", "finding"), ("spread_", "spread")):
        columns |= {prefix + key: v for key, v in zip(bench.routes["findings"], row[name], strict=True)}
    columns |= {"field_" + key: v for key, v in zip(bench.routes["fields"], row["field"], strict=True)}
    groups = zip(bench.route.groups, fused["groups"], strict=True)  # type: ignore[arg-type]
    return {
        k: round(v, DECIMALS) for k, v in (columns | {f"knowledge_group_{g}": v for g, v in groups}).items()
    }


def _facts(bench: Bench) -> dict[str, Any]:
    confusion = bench.confusion.tolist()
    return {
        "nmevision": "0.0",
        "finished": "2026-01-01T00:00:00+00:00",
        "bundle": {"name": "of the test <b>", "hash": "ab" * 32, "modality": "histology", "phantom": True},
        "model": {
            "temperature": 1.1,
            "unlearned": [k for k, has in zip(taxonomy().keys, bench.has_images, strict=True) if not has],
            "findings": [
                {"key": key, "temperature": 1, "confusion": c, "train_counts": [1, 1, 1, 1]}
                for key, c in zip(bench.routes["findings"], confusion, strict=True)
            ],
            "fields": bench.routes["fields"],
            "fusion": bench.fusion.model_dump(),
            "validation": {"images": 100},
            "sets": SETS.model_dump(mode="json"),
        },
        "taxonomy": taxonomy().model_dump(mode="json"),
        "positive": "nme",
        "input": {"name": "biopsies"},
    }


def draw(path: Path, side: int, rng: np.random.Generator) -> None:
    """Write one drawn JPEG with a secret among its metadata."""
    path.parent.mkdir(parents=True, exist_ok=True)
    small = rng.integers(90, 255, (max(2, side // 8), max(2, side // 8), 3), dtype=np.uint8)
    picture = Image.fromarray(small).resize((side, side), Image.Resampling.BICUBIC)
    exif = Image.Exif()
    exif[0x9286], exif[0x010E] = SECRET, SECRET
    picture.save(path, "JPEG", exif=exif, quality=80)


def add_overlays(folder: Path, identity: str) -> None:
    """Write two transparent overlays for one image."""
    own = folder / "overlays" / identity
    own.mkdir(parents=True)
    for name, colour in (("parakeratosis", (255, 0, 0, 200)), ("necrolytic_pattern", (0, 255, 0, 200))):
        Image.new("RGBA", (32, 32), colour).save(own / f"{name}.png")


def corrected_answers(folder: Path, bench: Bench, identity: str, given: dict[str, int]) -> dict[str, float]:
    """Return p_<diagnosis> of one row with a person's grades, from the numbers that predictions.csv holds."""
    frame = read_predictions(folder / "predictions.csv").frame.set_index("id")
    line = frame.loc[identity]
    row = {
        "finding": [float(line["finding_" + key]) for key in bench.routes["findings"]],
        "spread": [float(line["spread_" + key]) for key in bench.routes["findings"]],
        "field": [float(line["field_" + key]) for key in bench.routes["fields"]],
        "learned": [float(line["learned_" + key]) for key in taxonomy().keys],
        "given": given,
    }
    p = bench.fused(row)["p"]
    return dict(zip(taxonomy().keys, p, strict=True))  # type: ignore[arg-type]


def data_of(html: str) -> dict[str, Any]:
    """Return the data that a page holds."""
    start = html.index('id="data">') + len('id="data">')
    content: dict[str, Any] = json.loads(html[start : html.index("</script>", start)])
    return content


def pictures_in(html: str) -> list[str]:
    """Return the pictures that a page holds: data URIs, or names of files beside it."""
    return html.split('id="pictures">')[1].split("</script>")[0].splitlines()


def make_references(folder: Path, ids: list[str]) -> References:
    """Write five drawn reference images of several terms, and name them the nearest of some predicted images."""
    rng = np.random.default_rng(5)
    terms = [
        {"diagnosis": "psoriasis", "licence": "CC-BY-4.0", "source": "of the test"},
        {"diagnosis": "nme", "licence": "CC0-1.0", "source": "nmevision phantom", "phantom": "true"},
        {"diagnosis": "eczema", "licence": "research-only", "source": HOSTILE},
        {"diagnosis": "<b>odd</b>", "licence": "CC-BY-4.0", "redistribute_allowed": "false"},
        {"diagnosis": "normal", "licence": "", "source": ""},
    ]
    rows = [{"id": f"reference {i}", "path": f"r{i}.jpg", **one} for i, one in enumerate(terms)]
    for row in rows:
        draw(folder / row["path"], 300, rng)
    near = [(i, 0.9 - 0.2 * i) for i in range(5)]
    return References(manifest_of(rows, folder), dict.fromkeys(ids, near), 5, 5, "reference.csv")
