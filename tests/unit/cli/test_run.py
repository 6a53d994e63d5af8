"""The command line run once: a verb built alone is the verb of the whole command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_world import run_here
from typer.main import get_command
from typer.testing import CliRunner

from nmevision.cli.app import app

VERBS = sorted(getattr(get_command(app), "commands"))  # noqa: B009 - of a group, which mypy does not know it is


@pytest.mark.parametrize("verb", VERBS)
def test_help_of_a_verb_built_alone(verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    whole = CliRunner().invoke(app, [verb, "--help"], prog_name="nmevision")
    alone = run_here(verb, "--help", cwd=tmp_path)
    assert (alone.code, alone.out) == (0, whole.stdout)
    assert f"nmevision {verb}" in alone.out


@pytest.mark.parametrize("words", ["predit", "data chek", "--help", "--no-such-flag"])
def test_what_is_no_verb_is_judged_beside_all_verbs(
    words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    whole = CliRunner().invoke(app, words.split(), prog_name="nmevision")
    alone = run_here(words, cwd=tmp_path)
    assert (alone.code, alone.out, alone.err) == (whole.exit_code, whole.stdout, whole.stderr)


def test_one_verb_costs_the_next_nothing(tmp_path: Path) -> None:
    assert run_here("predict", "--help", cwd=tmp_path).code == 0
    assert "rare-class" in run_here("--help", cwd=tmp_path).out
    assert run_here("evaluate", "--help", cwd=tmp_path).code == 0
