"""report.json: its schema is shipped, every written report keeps it, and what breaks it is refused."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from small_tables import made

from nmevision.errors import EvaluationError
from nmevision.evaluation.claims import PHANTOM_NOTICE
from nmevision.reporting.evaluate import evaluate_files
from nmevision.reporting.report_file import FORMAT, SCHEMA, check, json_schema


@pytest.fixture(autouse=True, scope="module")
def no_pictures() -> Iterator[None]:
    """Leave the PNG and SVG files out: they take most of the time and are tested elsewhere."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nmevision.reporting.evaluate.draw_all", lambda report, folder: {})
        yield


def written(folder: Path, **changes: Any) -> dict[str, Any]:
    evaluate_files(*made(folder, **changes), folder / "out")
    return dict(json.loads((folder / "out" / "report.json").read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return written(tmp_path_factory.mktemp("report"), sex="f")


def test_the_shipped_schema_is_that_of_the_code() -> None:
    told = "run `python -m nmevision.reporting.report_file`"
    assert SCHEMA.read_text(encoding="utf-8") == json_schema(), told


def test_the_schema_knows_every_key_of_a_report(content: dict[str, Any]) -> None:
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    assert set(content) | {"notice"} == set(schema["properties"])
    assert set(schema["required"]) == set(content)
    assert schema["additionalProperties"] is False
    assert set(schema["$defs"]["Score"]["properties"]) == set(content["scores"][0])
    assert content["format"] == FORMAT


@pytest.mark.parametrize(
    "changes", [{"keys": ("lupus", "psoriasis", "eczema")}, {"phantom": "true"}, {"n": 9}, {"n": 3}]
)
def test_every_written_report_validates(tmp_path: Path, changes: dict[str, Any]) -> None:
    found = written(tmp_path, **changes)
    check(found, "test")
    assert found.get("notice") == (PHANTOM_NOTICE if "phantom" in changes else None)
    assert (found["failures"] is None) == ("keys" in changes)


@pytest.mark.parametrize(
    ("keys", "value", "said"),
    [
        (("extra",), 1, "extra: unknown key"),
        (("scores", 0, "n_patients"), "many", "n_patients: found 'many'"),
        (("scores", 0, "value"), None, "needs its reason"),
        (("notice",), "none", "phantoms"),
        (("failures", "missed"), 0.5, "missed: found 0.5"),
        (("author", "funding"), 3, "funding: found 3"),
    ],
)
def test_what_is_no_report_is_refused(
    content: dict[str, Any], keys: tuple[Any, ...], value: object, said: str
) -> None:
    broken = copy.deepcopy(content)
    inner = broken
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = value
    if keys[-1] == "value":
        inner["reason"] = ""
    with pytest.raises(EvaluationError, match=said):
        check(broken, "test")


def test_it_says_who_failed_and_what_was_evaluated(content: dict[str, Any]) -> None:
    found = content["failures"]
    assert found["true_positives"] + found["missed"] == 20
    assert found["false_alarms"] + found["true_negatives"] == 40
    assert len(found["false_negatives"]) == found["missed"] > 0
    assert sum(row["patients"] for row in content["data"]["rows"]) == 60
    assert content["data"]["metadata"]["sex"] == {"female": 60}
    gaps = [row for row in content["checklist"] if not row["filled"]]
    assert {"funding", "intended_use"} <= {key for row in gaps for key in row["author"]}
