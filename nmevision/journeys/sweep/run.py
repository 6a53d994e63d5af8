"""A sweep from its YAML to one table: trials that are done are kept, one that fails costs no other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nmevision.config import ExperimentConfig
from nmevision.errors import RunError
from nmevision.journeys.sweep.launch import Launcher, executor_for, need_submitit, run_all
from nmevision.journeys.sweep.plan import Sweep, Trial, Values, load_sweep, resolve
from nmevision.journeys.sweep.search import Rounds, rounds
from nmevision.journeys.sweep.table import table_of, write_table
from nmevision.journeys.sweep.trial import CONFIG, Result, place, result_of
from nmevision.locks import held
from nmevision.training.preparation import read_input
from nmevision.training.run_folder import configurations_tried, remember

HOME, LOGS, IMAGES = "sweeps", "logs", "images"
MANIFEST = "data.manifest"


@dataclass(frozen=True)
class Outcome:
    """How a sweep ended: how many trials are not done, and the text to print."""

    missing: int
    text: str


def run_sweep(
    path: Path, overrides: Sequence[str] = (), launcher: Launcher = "local", out: Path | None = None
) -> Outcome:
    """Train every trial of the sweep in a YAML file and write trials.csv and trials.md to `out`.

    overrides: key=value for all trials. out: sweeps/NAME by default; every trial has a folder there, named by its
    fingerprint, with its full configuration, what it said and its bundle. Called again, it goes on: what is done is kept,
    what failed is tried again.
    Raises ConfigError or DataError before any trial where the file, a trial, its table of images or the launcher is not
    usable; RunError where the sweep is at work already, or that table has changed since.
    """
    need_submitit()
    sweep, folder = load_sweep(Path(path)), Path(path).parent
    out = out or Path(HOME) / sweep.name
    given = [*overrides, *_images_of(sweep, out, overrides)]
    search = rounds(sweep)
    trials = resolve(sweep, folder, next(search), given)
    _draw(sweep, out, given)
    fingerprints = _fingerprints(trials)
    executor = executor_for(launcher, sweep.launch, out / LOGS)
    every: dict[str, Trial] = {}

    def tell(folder: Path) -> None:
        print(_told(sweep, every[folder.name], folder))

    out.mkdir(parents=True, exist_ok=True)
    with held(out / "lock") as mine:
        if not mine:
            raise RunError(f"{out}: this sweep is run by another process just now")
        while trials:
            every.update({trial.name: trial for trial in trials})
            for trial in trials:
                _register(trial, out, fingerprints)
            todo = _not_done(out, trials)
            run_all(executor, launcher, todo, sweep.launch.parallel, tell)
            trials = resolve(sweep, folder, _next(search, sweep, out, trials), given)
            fingerprints |= _fingerprints(trials)
    return _concluded(sweep, out, list(every.values()), fingerprints)


def _images_of(sweep: Sweep, out: Path, overrides: Sequence[str]) -> list[str]:
    """Return the override that names the synthetic images, where the sweep draws them and no others are given."""
    own = MANIFEST in (*sweep.values, *(text.split("=")[0] for text in overrides))
    return [] if sweep.draw is None or own else [f"{MANIFEST}={out / IMAGES / 'manifest.csv'}"]


def _draw(sweep: Sweep, out: Path, given: Sequence[str]) -> None:
    """Draw the synthetic images where they are asked for and not there yet."""
    manifest = out / IMAGES / "manifest.csv"
    if sweep.draw is not None and f"{MANIFEST}={manifest}" in given and not manifest.is_file():
        from nmevision.phantom.dataset import make  # only sweeps that draw need it

        make(manifest.parent, **sweep.draw.model_dump())


def _fingerprints(trials: Sequence[Trial]) -> dict[str, str]:
    """Return each trial's name -> the fingerprint of its table of images, each table read once.

    Raises DataError or ConfigError where one cannot be trained on.
    """
    known: dict[str, str] = {}
    found = {}
    for trial in trials:
        config = trial.config
        table = config.data.model_dump_json(include={"manifest", "root", "allow_nc"})
        key = f"{table} {config.taxonomy} {config.modality} {config.positive}"
        if key not in known:
            known[key] = read_input(config)[0].fingerprint
        found[trial.name] = known[key]
    return found


def _register(trial: Trial, out: Path, fingerprints: dict[str, str]) -> None:
    """Count a new trial among the configurations tried, before any is trained: each one's card tells of all."""
    manifest = fingerprints[trial.name]
    if place(out / trial.name, trial.config, manifest):
        remember(_runs(trial.config), trial.config, manifest)


def _not_done(out: Path, trials: Sequence[Trial]) -> list[Path]:
    """Return the folders of the trials that are still to be trained; say how many are not."""
    folders = list(dict.fromkeys(out / trial.name for trial in trials))
    todo = [one for one in folders if (result_of(one) or {}).get("status") != "done"]
    if len(todo) < len(folders):
        print(f"{len(folders) - len(todo)} of {len(folders)} trials are done already")
    return todo


def _next(search: Rounds, sweep: Sweep, out: Path, trials: Sequence[Trial]) -> list[Values]:
    """Return what to try after these trials, nothing at the end."""
    try:
        return search.send([_score(sweep, result_of(out / trial.name)) for trial in trials])
    except StopIteration:
        return []


def _score(sweep: Sweep, result: Result | None) -> float | None:
    """Return the objective of a trial, None where it failed."""
    value = ((result or {}).get("validation") or {}).get(sweep.objective)
    return None if value is None else float(value)


def _told(sweep: Sweep, trial: Trial, folder: Path) -> str:
    """Return one line about a trial that has ended."""
    result = result_of(folder) or {}
    values = " ".join(f"{key}={trial.values[key]}" for key in sweep.swept)
    if result.get("status") == "done":
        figures = result["validation"]
        score = _score(sweep, result)
        said = f"{sweep.objective} {score:.4f}" if score is not None else f"no {sweep.objective}"
        return f"trial {trial.name} ({values}): {said}, {figures['images']} validation images, {result['seconds']:.0f} s"
    why = str(result.get("why") or "another process runs it").splitlines()[0]
    return f"trial {trial.name} ({values}) is not done: {why}"


def _concluded(sweep: Sweep, out: Path, trials: list[Trial], fingerprints: dict[str, str]) -> Outcome:
    """Write the table and return what to say."""
    results = [result_of(out / trial.name) for trial in trials]
    tried = max(configurations_tried(_runs(one.config), fingerprints[one.name]) for one in trials)
    phantom = any((result or {}).get("phantom") for result in results)
    table = table_of(sweep, trials, results)
    files = write_table(out, sweep, table, tried, sweep.config, phantom)
    missing = int((table["status"] != "done").sum())
    lines = [
        f"{len(trials) - missing} of {len(trials)} trials done; {tried} configurations tried on these images so far"
    ]
    if missing < len(trials):
        best = out / str(table["trial"][0])
        lines += [
            f"best on validation: {best / CONFIG}",
            "  (train it under a name of its own to open the test split once: nmevision train "
            f"{best / CONFIG} name=...)",
        ]
    if missing:
        lines.append(f"{missing} not done; the same command tries them again, and keeps the others")
    return Outcome(missing, "\n".join([*lines, *(str(one.resolve()) for one in files)]))


def _runs(config: ExperimentConfig) -> Path:
    return Path(config.output.runs)
