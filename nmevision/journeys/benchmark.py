"""Several bundles over several held-out image sets: predict, evaluate, one leaderboard."""

from __future__ import annotations

from pathlib import Path

from nmevision.data.uci_dermatology import UciDermatology
from nmevision.errors import BundleError, ConfigError, DataError, EvaluationError, NmevisionError, Problems
from nmevision.files import sha256_of
from nmevision.journeys.board import Leaderboard, scored, write_board
from nmevision.journeys.outside import called_positive
from nmevision.journeys.predict_and_evaluate import predict_and_evaluate
from nmevision.journeys.ranking import Answers, Row, concluded, patient_answers, weakest_spots
from nmevision.journeys.suite import HeldOutSet, load_suite, read_sets
from nmevision.journeys.uci.contenders import contenders, taxonomy_of, write_and_evaluate
from nmevision.manifest import Manifest
from nmevision.networks.bundle import SEEN_DIGITS, Bundle, open_bundle


def run_suite(path: Path, folders: list[Path], out: Path) -> Leaderboard:
    """Predict and evaluate every bundle on every set; write leaderboard.csv, .json, .md and .html to `out`.

    Interrupted, it continues: finished predictions of the same bundle are used again. A bundle that was
    trained on images of a set, or cannot read its labels, gets a row that says so instead of a score.
    The first bundle named is the one that the others are compared with. A set that is not there is named with
    the reason on the board. A set of graded findings needs no bundle: knowledge and classifiers answer it.
    Raises ConfigError, DataError or BundleError where the suite, a manifest or a bundle is broken.
    """
    path, out = Path(path), Path(out)
    suite, bundles = load_suite(path), _open_all(folders)
    if not bundles and (images := [one.name for one in suite.sets if not one.grades]):
        raise ConfigError(
            f"suite '{suite.name}' holds images ({', '.join(images)}) and no model was named; name one or more bundles"
        )
    found, absent = read_sets(suite, path.parent)
    rows: list[Row] = []
    for held_out in (one for one in suite.sets if one.name in found):
        here = found[held_out.name]
        if isinstance(here, Manifest):
            digests = _digests(here)
            rows += concluded([_row(held_out, here, digests, bundle, out) for bundle in bundles])
        else:
            rows += [
                *concluded(_of_grades(held_out, here, out)),
                *(_reads_images(held_out, b) for b in bundles),
            ]
    return write_board(rows, suite, absent, sha256_of(path), out)


def _open_all(folders: list[Path]) -> list[Bundle]:
    """Return every bundle, or raise BundleError about all that cannot be opened."""
    problems, bundles = Problems(), []
    for folder in folders:
        try:
            bundles.append(open_bundle(folder))
        except BundleError as problem:
            problems.add(str(problem))
    problems.raise_if_any(BundleError, "bundles")
    names = [bundle.info.name for bundle in bundles]
    if len(set(names)) < len(names):
        raise BundleError(f"two bundles share a name: {', '.join(names)}; train one under another name")
    return bundles


def _digests(manifest: Manifest) -> set[str]:
    """Return the shortened SHA-256 of every readable image of a set."""
    return {sha256_of(s.path)[:SEEN_DIGITS] for s in manifest.samples() if s.path.is_file()}


def _row(
    held_out: HeldOutSet, manifest: Manifest, digests: set[str], bundle: Bundle, out: Path
) -> tuple[Row, Answers | None]:
    """Return one leaderboard row and its patients: scores with intervals and n, or why there are none."""
    row: Row = {
        "set": held_out.name,
        "bundle": bundle.info.name,
        "bundle_hash": bundle.hash,
        "note": "",
    }
    seen = len(digests & bundle.seen)
    if seen:
        why = f"not held out: {seen} of {len(digests)} images were trained or steered on"
        return row | {"note": why}, None
    folder = out / held_out.name / f"{bundle.info.name}-{bundle.hash[:8]}"
    try:
        if held_out.outside:
            return row | called_positive(bundle, manifest, folder, held_out.positive), None
        report = predict_and_evaluate(bundle, manifest, folder, held_out.positive)
    except (DataError, EvaluationError, ConfigError) as problem:
        return row | {"note": _first_lines(problem)}, None
    answers = patient_answers(folder, bundle.info.taxonomy, report.positive)
    return row | scored(report) | weakest_spots(report), answers


def _first_lines(problem: NmevisionError) -> str:
    """Return an error as one table cell."""
    return " ".join(line.strip() for line in str(problem).splitlines()[:3])


def _of_grades(held_out: HeldOutSet, table: UciDermatology, out: Path) -> list[tuple[Row, Answers | None]]:
    """Return the rows of all that answers a table of grades, knowledge first, scored like any bundle."""
    found: list[tuple[Row, Answers | None]] = []
    for contender in contenders(table, held_out.grades or "histology"):
        folder = out / held_out.name / f"{contender.name.replace(' ', '-')}-{contender.fingerprint[:8]}"
        report = write_and_evaluate(contender, table, folder)
        row: Row = {
            "set": held_out.name,
            "bundle": contender.name,
            "bundle_hash": contender.fingerprint,
            "note": contender.note,
        }
        answers = patient_answers(folder, taxonomy_of(table), None)
        found.append((row | scored(report) | weakest_spots(report), answers))
    return found


def _reads_images(held_out: HeldOutSet, bundle: Bundle) -> Row:
    """Return the row of a bundle on a set without images."""
    why = "reads images; this set has grades of findings only"
    return {
        "set": held_out.name,
        "bundle": bundle.info.name,
        "bundle_hash": bundle.hash,
        "note": why,
        "first": False,
    }
