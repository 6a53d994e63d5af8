"""The page reasons as Python does: the same cases through assets/*.js and through nmevision.knowledge."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from reader_browser import browser  # noqa: F401 - a fixture
from reader_cases import PRIOR, Bench, page_source

from nmevision.knowledge.prior import Prior
from nmevision.knowledge.tables import Modality

NODE = shutil.which("node")
EXACT = {"rtol": 0, "atol": 1e-9}
DRAWN = {"rtol": 0, "atol": 1e-5}
"""Ranges come of drawn profiles, whose noise travels as float32."""


def run_in_node(folder: Path, payload: dict[str, Any]) -> dict[str, Any]:
    script = "const input = JSON.parse(require('fs').readFileSync(process.argv[1], 'utf-8'));\n"
    (folder / "input.json").write_text(json.dumps(payload))
    (folder / "check.js").write_text(
        page_source() + script.replace("argv[1]", "argv[2]") + "console.log(JSON.stringify(check(input)));\n"
    )
    done = subprocess.run(
        [str(NODE), str(folder / "check.js"), str(folder / "input.json")],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def assert_same(bench: Bench, page: dict[str, Any]) -> None:
    """Compare every number and every sentence."""
    for case, told in zip(bench.cases, page["told"], strict=True):
        answer = bench.reasoner.answer(bench.observed(case))
        assert told["headline"] == answer.headline
        assert told["message"] == answer.message
        if not answer.groups:
            continue
        compare_groups_and_members(told, answer)
        if [g[0] for g in told["groups"][:2]] == [answer.leader, answer.rival]:
            reasons = {
                r.finding: (r.grade, r.decibans, r.leader_expects, r.rival_expects) for r in answer.reasons
            }
            for key, *numbers in told["weights"]:
                np.testing.assert_allclose(numbers, reasons.pop(key), **EXACT)
            assert not reasons
        focus = {reason.finding: reason.focus_decibans for reason in answer.reasons}
        for key, decibans in told["focus"]:
            assert abs(focus[key] - decibans) < 1e-9
        bits = {item.finding: item.bits for item in answer.look_next}
        assert {key for key, _ in told["next"]} == set(bits)
        for key, value in told["next"]:
            assert abs(bits[key] - value) < 1e-9
        assert abs(told["fit"] - answer.fit) < 1e-9
        assert told["caveats"] == list(answer.caveats)
        assert told["steps"] == [step.text for step in answer.workup]
        said = [tuple(s[k] for k in ("what", "counted", "says", "sources")) for s in told["clinical"]]
        ours = [(s.what, s.counted, s.says, list(s.sources)) for s in answer.clinical]
        assert said == ours
    for row, fused in zip(bench.rows, page["fused"], strict=True):
        for name, value in bench.fused(row).items():
            np.testing.assert_allclose(fused[name], value, **EXACT, err_msg=name)


def compare_groups_and_members(told: dict[str, Any], answer: Any) -> None:
    falling = [g[1] for g in told["groups"]]
    assert falling == sorted(falling, reverse=True)
    groups = {key: numbers for key, *numbers in told["groups"]}
    for ours in answer.groups:  # two that tie may stand in either order
        probability, *limits = groups.pop(ours.key)
        assert abs(probability - ours.probability) < 1e-9
        np.testing.assert_allclose(limits, [ours.low, ours.high], **DRAWN)
    assert not groups
    mine = {m.key: m for m in answer.members}
    assert {m[0] for m in told["members"]} == set(mine)
    for key, within, low, no_number in told["members"]:
        assert no_number == mine[key].no_number
        assert (within is None) == (mine[key].within_group is None)
        if within is not None:
            assert abs(within - mine[key].within_group) < 1e-9
            if mine[key].group != "necrolytic":  # whose range is of other draws in Python
                assert abs(low - mine[key].low) < 1e-5


@pytest.mark.skipif(NODE is None, reason="node is not installed; the test in Chromium runs the same")
@pytest.mark.parametrize(
    ("modality", "seed", "prior"),
    [("histology", 1, Prior()), ("histology", 2, PRIOR), ("clinical", 3, PRIOR)],
)
def test_page_and_python_agree(modality: Modality, seed: int, prior: Prior, tmp_path: Path) -> None:
    bench = Bench(modality, 60, seed, prior)
    assert_same(bench, run_in_node(tmp_path, bench.input))


def test_page_and_python_agree_in_a_browser(browser: Any) -> None:  # noqa: F811 - the fixture
    bench = Bench("histology", 12, 4, PRIOR)
    browser.get("about:blank")
    script = page_source() + "return check(JSON.parse(arguments[0]));"  # as text: the driver sorts the keys
    page = browser.execute_script(script, json.dumps(bench.input))
    assert_same(bench, page)
