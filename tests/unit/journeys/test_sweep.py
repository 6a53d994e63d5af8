"""Sweeps: what a file may say, which trials it makes, and that one that fails costs no other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nmevision.config import load
from nmevision.errors import ConfigError, RunError
from nmevision.journeys.sweep.launch import gpus_in_sight, run_all
from nmevision.journeys.sweep.plan import Range, Sweep, Trial, Values, load_sweep, resolve
from nmevision.journeys.sweep.search import rounds
from nmevision.journeys.sweep.table import table_of, write_table
from nmevision.journeys.sweep.trial import RESULT, place, result_of, run_trial
from nmevision.locks import held

CONFIGS = Path(__file__).resolve().parents[3] / "configs"
BASE = "name: x\nmodality: clinical\ntaxonomy: t.yaml\ndata: {manifest: m.csv}\n"


def sweep_of(**content: Any) -> Sweep:
    return Sweep.model_validate({"name": "s", "config": "base.yaml", **content})


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("base.yaml").write_text(BASE)
    return Path()


def all_of(sweep: Sweep) -> list[Values]:
    return next(rounds(sweep))


@pytest.mark.parametrize("path", sorted((CONFIGS / "sweeps").glob("*.yaml")), ids=lambda path: path.stem)
def test_committed_sweeps_make_trials(path: Path) -> None:
    sweep = load_sweep(path)
    trials = resolve(sweep, path.parent, all_of(sweep), [])
    assert len({trial.name for trial in trials}) == len(trials) > 1


def test_all_mistakes_of_a_file_at_once(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(
        "name: s\nconfig: base.yaml\nserach: grid\nobjective: los\nlaunch: {parallel: 0}\n"
        "ranges:\n  train.lr: {low: 1, high: 0.1}\n"
    )
    with pytest.raises(ConfigError) as problem:
        load_sweep(tmp_path / "s.yaml")
    for words in (
        "4 problems",
        "'search'",
        "did you mean 'loss'",
        "launch.parallel",
        "low must be the smaller",
    ):
        assert words in str(problem.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({}, "nothing to try"),
        ({"values": {"train.lr": []}}, "values.train.lr is an empty list"),
        ({"values": {"train.lr": [1, 1]}}, "holds a value twice"),
        ({"values": {"name": ["a", "b"]}}, "name is set by the sweep itself"),
        ({"values": {"output.runs": ["a", "b"]}}, "output.runs is set by the sweep itself"),
        ({"ranges": {"train.lr": {"low": 1, "high": 2}}}, "a grid cannot hold ranges"),
        ({"values": {"seed": [1, 2]}, "trials": 3}, "a grid tries every combination"),
        ({"values": {"seed": [1, 2]}, "search": "random"}, "needs trials, how many to try"),
        (
            {
                "values": {"seed": [1, 2]},
                "ranges": {"seed": {"low": 1, "high": 2}},
                "search": "random",
                "trials": 1,
            },
            "seed stands in values and in ranges",
        ),
    ],
)
def test_what_does_not_fit_together(content: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        sweep_of(**content)


def test_a_grid_is_every_combination_as_a_full_configuration(folder: Path) -> None:
    sweep = sweep_of(values={"train.lr": ["1e-3", 0.01], "train.balance": ["none", "weights"], "seed": [7]})
    trials = resolve(sweep, folder, all_of(sweep), ["train.epochs=2"])
    found = [(t.config.train.lr, t.config.train.balance, t.config.seed) for t in trials]
    assert found == [(lr, b, 7) for lr in (0.001, 0.01) for b in ("none", "weights")]
    assert {t.config.name for t in trials} == {"s"}
    assert {t.config.train.epochs for t in trials} == {2}
    assert sweep.swept == ["train.lr", "train.balance"]
    for trial in trials:
        assert place(folder / trial.name, trial.config, "abc")
        assert not place(folder / trial.name, trial.config, "abc")
        assert load(folder / trial.name / "config.yaml").fingerprint == trial.name


def test_values_of_every_kind_arrive(folder: Path) -> None:
    sweep = sweep_of(values={"data.folds": [None, 5], "data.allow_nc": [True], "model.weights": ["none"]})
    configs = [trial.config for trial in resolve(sweep, folder, all_of(sweep), [])]
    assert [config.data.folds for config in configs] == [None, 5]
    assert configs[0].data.allow_nc
    assert configs[0].model.weights == "none"


def test_mistakes_of_all_trials_at_once_and_each_once(folder: Path) -> None:
    sweep = sweep_of(values={"train.epochs": [0, 1], "train.lrr": [1, 2]})
    with pytest.raises(ConfigError) as problem:
        resolve(sweep, folder, all_of(sweep), [])
    assert "sweep 's': 2 problems" in str(problem.value)
    assert "train.lrr: unknown key (did you mean 'lr'?)" in str(problem.value)
    assert "train.epochs: found 0" in str(problem.value)
    with pytest.raises(ConfigError, match=r"seed=3: the sweep gives values to that key itself"):
        resolve(sweep_of(values={"seed": [1, 2]}), folder, [{"seed": 1}], ["seed=3"])


def test_random_draws_within_ranges_and_the_same_again() -> None:
    content = {
        "values": {"train.balance": ["none", "weights"]},
        "ranges": {
            "train.lr": {"low": 1e-4, "high": 1e-2, "log": True},
            "train.epochs": {"low": 1, "high": 3, "whole": True},
        },
        "search": "random",
        "trials": 200,
    }
    drawn = all_of(sweep_of(**content))
    assert len(drawn) == 200
    assert all(1e-4 <= one["train.lr"] <= 1e-2 for one in drawn)  # type: ignore[operator]
    below = sum(one["train.lr"] < 1e-3 for one in drawn)  # type: ignore[operator]
    assert 70 < below < 130  # half of them, by the logarithm
    assert {one["train.epochs"] for one in drawn} == {1, 2, 3}
    assert all_of(sweep_of(**content)) == drawn
    assert all_of(sweep_of(**content, seed=1)) != drawn
    few = {"values": {"seed": [1, 2]}, "search": "random", "trials": 9}
    assert sorted(one["seed"] for one in all_of(sweep_of(**few))) == [1, 2]  # type: ignore[type-var]


def test_optuna_follows_the_objective_and_repeats_itself() -> None:
    pytest.importorskip("optuna")
    sweep = sweep_of(
        ranges={"train.lr": Range(low=1e-5, high=1.0, log=True)},
        values={"train.balance": ["none", "weights"]},
        search="optuna",
        trials=30,
        launch={"parallel": 2},
    )

    def run() -> list[Values]:
        seen: list[Values] = []
        search = rounds(sweep)
        some = next(search)
        while True:
            assert len(some) == 2
            seen += some
            scores = [abs(float(one["train.lr"] or 0) - 0.1) for one in some]
            try:
                some = search.send([None if len(seen) == 4 else scores[0], scores[1]])
            except StopIteration:
                return seen

    seen = run()
    assert len(seen) == 30
    late = [abs(float(one["train.lr"] or 0) - 0.1) for one in seen[15:]]
    early = [abs(float(one["train.lr"] or 0) - 0.1) for one in seen[:10]]
    assert sum(late) / len(late) < sum(early) / len(early)
    assert run() == seen


RESULTS: list[dict[str, Any] | None] = [
    {
        "status": "done",
        "seconds": 3.0,
        "validation": {"loss": 0.9, "auroc": 0.6, "images": 8, "patients": 4, "epoch": 1},
    },
    {
        "status": "done",
        "seconds": 3.0,
        "validation": {"loss": 0.5, "auroc": 0.7, "images": 8, "patients": 4, "epoch": 2},
    },
    {"status": "failed", "seconds": 1.0, "why": "it | broke\nat line 3"},
    None,
]


def test_the_table_is_ordered_and_every_figure_has_its_n(folder: Path, tmp_path: Path) -> None:
    sweep = sweep_of(values={"seed": [1, 2, 3, 4]}, objective="auroc")
    trials = resolve(sweep, folder, all_of(sweep), [])
    table = table_of(sweep, trials, RESULTS)
    assert table["seed"].tolist() == [2, 1, 3, 4]
    assert table["status"].tolist() == ["done", "done", "failed", "not run"]
    assert table["images"].tolist()[:2] == [8, 8]
    assert table["patients"].tolist()[:2] == [4, 4]
    assert table_of(sweep_of(values={"seed": [1, 2]}), trials, RESULTS)["seed"][0] == 2  # the smallest loss
    csv, markdown = write_table(tmp_path, sweep, table, 12, "base.yaml", phantom=True)
    assert csv.read_text().count("\n") >= 5
    text = markdown.read_text()
    assert "Configurations tried on these images so far: 12." in text
    assert "the test split was not opened" in text
    assert "says nothing about disease" in text
    assert "it \\| broke |" in text
    assert "at line 3" not in text


class Job:
    """What a launcher gives: `problem` is how its process ended."""

    def __init__(self, problem: Exception | None) -> None:
        self.problem, self.cancelled = problem, False

    def done(self) -> bool:
        return True

    def exception(self) -> Exception | None:
        return self.problem

    def cancel(self) -> None:
        self.cancelled = True


class Executor:
    """Runs nothing; the trial named in `dead` dies, the others leave a result."""

    def __init__(self, dead: str) -> None:
        self.dead, self.at_once, self.most = dead, 0, 0
        self.gpus: list[str | None] = []

    def submit(self, run: object, folder: str, gpu: str | None) -> Job:
        self.gpus.append(gpu)
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        assert not (Path(folder) / RESULT).exists()
        if Path(folder).name == self.dead:
            return Job(RuntimeError("Traceback ...\nkilled by signal 9"))
        (Path(folder) / RESULT).write_text(json.dumps({"status": "done"}))
        return Job(None)


def test_a_trial_whose_process_dies_is_told_and_costs_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nmevision.journeys.sweep.launch.gpus_in_sight", lambda: ["4", "6"])
    folders = [tmp_path / name for name in "abcde"]
    for one in folders:
        one.mkdir()
    (tmp_path / "a" / RESULT).write_text('{"status": "failed", "why": "before"}')
    executor, ended = Executor("c"), list[str]()

    def told(folder: Path) -> None:
        executor.at_once -= 1
        ended.append(folder.name)

    run_all(executor, "local", folders, 2, told)
    assert ended == list("abcde")
    assert executor.most == 2
    assert executor.gpus == ["4", "6", "4", "6", "4"]
    found = {one.name: result_of(one) for one in folders}
    assert found["c"] == {
        "status": "failed",
        "why": "its process ended without a result: killed by signal 9",
        "seconds": None,
    }
    assert all(result == {"status": "done"} for name, result in found.items() if name != "c")


def test_a_trial_of_another_table_is_not_taken_over(folder: Path, tmp_path: Path) -> None:
    trial = resolve(sweep_of(values={"seed": [1]}), folder, [{"seed": 1}], [])[0]
    place(tmp_path / trial.name, trial.config, "abc")
    with pytest.raises(RunError, match=r"the table of images has changed .*\(abc then, abd now\)"):
        place(tmp_path / trial.name, trial.config, "abd")


def test_a_trial_that_another_process_runs_is_left_to_it(folder: Path, tmp_path: Path) -> None:
    trial: Trial = resolve(sweep_of(values={"seed": [1]}), folder, [{"seed": 1}], [])[0]
    place(tmp_path / trial.name, trial.config, "abc")
    with held(tmp_path / trial.name / "lock"):
        run_trial(str(tmp_path / trial.name))
    assert result_of(tmp_path / trial.name) is None


@pytest.mark.parametrize(("named", "expected"), [("2,5", ["2", "5"]), ("GPU-1a", ["GPU-1a"])])
def test_the_gpus_are_those_that_the_user_lets_be_seen(
    monkeypatch: pytest.MonkeyPatch, named: str, expected: list[str]
) -> None:
    monkeypatch.setattr("nmevision.journeys.sweep.launch.has_gpu", lambda: True)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
    assert gpus_in_sight() == expected
    monkeypatch.setattr("nmevision.journeys.sweep.launch.has_gpu", lambda: False)
    assert gpus_in_sight() == []
