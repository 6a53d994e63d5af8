"""`nmevision benchmark`: several bundles over several sets, one leaderboard that repeats evaluate's numbers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
import yaml
from small_world import Answer, Training, World, make_world, run, run_here, train_here

from nmevision.files import sha256_of
from nmevision.inference.engine_graph import GraphEngine

SCORES = ("auroc", "auprc", "balanced_accuracy", "macro_f1", "brier")


@dataclass(frozen=True)
class Contest:
    """A suite of two sets, the bundle that saw neither and the bundle that was trained on the second."""

    cwd: Path
    suite: Path
    stranger: Training
    insider: Training

    def run(self) -> Answer:
        bundles = (self.stranger.bundle, self.insider.bundle)
        return run_here("benchmark", self.suite, *bundles, "--out", "board", cwd=self.cwd)

    @property
    def rows(self) -> dict[tuple[str, str], dict[str, object]]:
        content = json.loads((self.cwd / "board" / "leaderboard.json").read_text(encoding="utf-8"))
        return {(row["set"], row["bundle"]): row for row in content["rows"]}


@pytest.fixture(scope="module")
def contest(trained: Training, unseen: World, tmp_path_factory: pytest.TempPathFactory) -> Contest:
    cwd = tmp_path_factory.mktemp("contest")
    known = make_world(cwd / "known", patients=6, seed=90_000)
    insider = train_here(known, "insider", cwd, "data.test=0", "model.backbone=test_convnext")
    sets = [
        {"name": "unseen", "manifest": str(unseen.manifest), "positive": "nme", "licence": "CC0-1.0"},
        {"name": "known", "manifest": "known/manifest.csv", "title": "What the insider has seen"},
    ]
    suite = cwd / "suite.yaml"
    suite.write_text(yaml.safe_dump({"name": "contest", "description": "drawings", "sets": sets}))
    contest = Contest(cwd, suite, trained, insider)
    answer = contest.run()
    assert answer.code == 0, answer.err
    assert answer.out.splitlines()[-1].startswith(str(cwd / "board" / "leaderboard."))
    return contest


def test_leaderboard_comes_in_three_kinds_with_hashes(contest: Contest) -> None:
    board = contest.cwd / "board"
    content = json.loads((board / "leaderboard.json").read_text(encoding="utf-8"))
    assert sha256_of(contest.suite) in json.dumps(content)
    hashes = {t.bundle.name: sha256_of(t.bundle / "bundle.json") for t in (contest.stranger, contest.insider)}
    assert {row["bundle"]: row["bundle_hash"] for row in content["rows"]} == hashes
    table = pd.read_csv(board / "leaderboard.csv")
    assert list(zip(table["set"], table["bundle"], strict=True)) == list(contest.rows)
    assert table["auroc"].tolist()[0] == pytest.approx(content["rows"][0]["auroc"])
    page = (board / "leaderboard.md").read_text(encoding="utf-8")
    assert sha256_of(contest.suite)[:12] in page
    for digest in hashes.values():
        assert digest[:8] in page
    for words in ("## unseen", "## known", "CC0-1.0", "6 positive and 12 negative patients"):
        assert words in page


def test_numbers_are_those_of_evaluate(contest: Contest, unseen: World, tmp_path: Path) -> None:
    for training in (contest.stranger, contest.insider):
        (folder,) = (contest.cwd / "board" / "unseen").glob(f"{training.bundle.name}-*")
        out = tmp_path / training.bundle.name
        files = (folder / "predictions.csv", unseen.manifest)
        assert run_here("evaluate", *files, "--out", out, "--positive", "nme", cwd=tmp_path).code == 0
        content = json.loads((out / "report.json").read_text(encoding="utf-8"))
        scores = {(s["metric"], s["target"]): s for s in content["scores"] if s["source"] == "all"}
        row = contest.rows["unseen", training.bundle.name]
        for metric in SCORES:
            score = scores[metric, "nme" if metric in ("auroc", "auprc") else "all"]
            assert row[metric] == score["value"]
            assert (row[f"{metric}_low"], row[f"{metric}_high"]) == (score["low"], score["high"])


def test_the_better_model_stands_first(contest: Contest) -> None:
    first, second = [row for (name, _), row in contest.rows.items() if name == "unseen"]
    assert first["auroc"] >= second["auroc"]  # type: ignore[operator]


def test_a_model_is_not_scored_on_what_it_has_seen(contest: Contest) -> None:
    row = contest.rows["known", "insider"]
    assert row["note"] == "not held out: 36 of 36 images were trained or steered on"
    assert row.get("auroc") is None
    assert not list((contest.cwd / "board" / "known").glob("insider-*"))
    assert contest.rows["known", "shared"]["auroc"] is not None
    page = (contest.cwd / "board" / "leaderboard.md").read_text(encoding="utf-8")
    assert "not held out: 36 of 36 images" in page


def test_a_second_run_predicts_nothing_and_gives_the_same_board(
    contest: Contest, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = contest.cwd / "board"
    before = {name: (board / f"leaderboard.{name}").read_bytes() for name in ("csv", "json", "md")}

    def refuse(*_: object) -> None:
        raise RuntimeError("predictions were there already")

    monkeypatch.setattr(GraphEngine, "outputs", refuse)
    answer = contest.run()
    assert answer.code == 0, answer.err
    assert before == {name: (board / f"leaderboard.{name}").read_bytes() for name in before}


def test_mistakes_of_a_suite_are_told_at_once(contest: Contest, tmp_path: Path) -> None:
    wrong = {"name": "x", "sets": [{"name": "a b", "manifst": "m.csv"}], "set": 1}
    (tmp_path / "wrong.yaml").write_text(yaml.safe_dump(wrong))
    answer = run_here("benchmark", "wrong.yaml", contest.stranger.bundle, cwd=tmp_path)
    assert answer.code == 2
    for words in ("did you mean 'manifest'", "did you mean 'sets'", "sets.0.name"):
        assert words in answer.err
    assert not (tmp_path / "benchmark").exists()


def test_every_broken_bundle_is_named_before_any_work(contest: Contest, tmp_path: Path) -> None:
    for name in ("gone", "empty"):
        (tmp_path / name).mkdir()
    answer = run_here("benchmark", contest.suite, "gone", "empty", cwd=tmp_path)
    assert answer.code == 2
    assert "2 problems" in answer.err
    assert "gone is no bundle" in answer.err
    assert "empty is no bundle" in answer.err


def test_a_set_that_was_changed_since_is_refused(contest: Contest, unseen: World, tmp_path: Path) -> None:
    pinned = {"name": "pinned", "manifest": str(unseen.manifest), "fingerprint": "0" * 64}
    (tmp_path / "suite.yaml").write_text(yaml.safe_dump({"name": "pinned", "sets": [pinned]}))
    answer = run_here("benchmark", "suite.yaml", contest.stranger.bundle, cwd=tmp_path)
    assert answer.code == 2
    assert "not the table the suite was made for" in answer.err


@pytest.mark.slow
def test_script_runs_in_its_own_process(contest: Contest, tmp_path: Path) -> None:
    answer = run("benchmark", contest.suite, contest.stranger.bundle, "--out", "board", cwd=tmp_path)
    assert answer.code == 0, answer.err
    assert len(pd.read_csv(tmp_path / "board" / "leaderboard.csv")) == 2
