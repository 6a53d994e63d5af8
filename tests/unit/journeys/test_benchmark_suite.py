"""Benchmarks: every bundle on every set, held-out or said not to be, in one board that can be continued."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from bad_files import write_good_images
from scipy.stats import binomtest
from tiny_bundle import tiny_bundle

from nmevision.data.uci_dermatology import read_uci_dermatology
from nmevision.errors import BundleError, ConfigError, DataError
from nmevision.files import sha256_of
from nmevision.inference.images import ImageReader
from nmevision.journeys.benchmark import run_suite
from nmevision.journeys.suite import load_suite, read_sets
from nmevision.journeys.uci import baselines
from nmevision.journeys.uci import contenders as contenders_module
from nmevision.knowledge.loading import load_knowledge
from nmevision.manifest import read_manifest

LABELS = ("nme", "psoriasis", "eczema")
SUITES = sorted((Path(__file__).resolve().parents[3] / "configs" / "benchmarks").glob("*.yaml"))


def suite(folder: Path, *sets: dict[str, Any], **more: Any) -> Path:
    path = folder / "suite.yaml"
    path.write_text(yaml.safe_dump({"name": "small", "sets": list(sets)} | more))
    return path


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """A folder with a set of 12 images and a suite of it."""
    paths = write_good_images(tmp_path / "images", 12)
    lines = ["path,diagnosis,patient_id,split,modality"]
    lines += [
        f"images/{path.name},{LABELS[n % 3]},p{n},{('test', 'train')[n >= 9]},histology"
        for n, path in enumerate(paths)
    ]
    (tmp_path / "m.csv").write_text("\n".join(lines) + "\n")
    suite(tmp_path, {"name": "first", "manifest": "m.csv", "split": "test", "positive": "nme"})
    return tmp_path


@pytest.mark.parametrize("path", SUITES, ids=lambda path: path.stem)
def test_every_shipped_suite_loads(path: Path) -> None:
    assert load_suite(path).sets


class TestSuite:
    def test_every_mistake_at_once(self, tmp_path: Path) -> None:
        path = suite(tmp_path, {"name": "a/b", "manifets": "m.csv"}, descripton="x")
        with pytest.raises(ConfigError) as caught:
            load_suite(path)
        said = str(caught.value)
        assert "sets.0.name: found 'a/b'" in said
        assert "sets.0.manifest: missing" in said
        assert "sets.0.manifets: unknown key (did you mean 'manifest'?)" in said
        assert "descripton: unknown key (did you mean 'description'?)" in said

    def test_no_sets(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="sets: "):
            load_suite(suite(tmp_path))

    def test_two_sets_of_one_name(self, tmp_path: Path) -> None:
        same = {"name": "a", "manifest": "m.csv"}
        with pytest.raises(ConfigError, match=r"set 'a' is listed twice"):
            load_suite(suite(tmp_path, same, same))

    def test_a_pinned_table_that_changed(self, world: Path) -> None:
        good = read_manifest(world / "m.csv").fingerprint
        for fingerprint, fits in ((good, True), ("0" * 64, False)):
            path = suite(world, {"name": "first", "manifest": "m.csv", "fingerprint": fingerprint})
            if fits:
                run_suite(path, [tiny_bundle(world / "models" / "a").folder], world / "out")
            else:
                with pytest.raises(DataError, match=r"not the table the suite was made for"):
                    run_suite(path, [world / "models" / "a"], world / "out")

    def test_a_split_that_is_not_there(self, world: Path) -> None:
        with pytest.raises(ConfigError, match=r"split: found 'tset'.*did you mean 'test'"):
            load_suite(suite(world, {"name": "first", "manifest": "m.csv", "split": "tset"}))
        path = suite(world, {"name": "first", "manifest": "m.csv", "split": "val"})
        with pytest.raises(DataError, match=r"m\.csv: no row of split 'val'; set 'first' is empty"):
            run_suite(path, [tiny_bundle(world / "models" / "a").folder], world / "out")

    def test_a_set_that_is_not_there_is_named_and_the_rest_goes_on(self, world: Path) -> None:
        gone = {"name": "gone", "manifest": "public/ham10000/manifest.csv", "public": "ham10000"}
        here = {"name": "first", "manifest": "m.csv", "split": "test", "positive": "nme"}
        bundle = tiny_bundle(world / "models" / "a").folder
        board = run_suite(suite(world, gone, here), [bundle], world / "out")
        assert [row["set"] for row in board.rows] == ["first"]
        assert "## gone" in board.text
        assert "**Left out**" in board.text
        absent = json.loads((world / "out" / "leaderboard.json").read_text())["absent"]
        assert list(absent) == ["gone"]
        for words in ("is not there", "doi.org/10.7910/DVN/DBW86T", "--source ham10000 --allow-nc"):
            assert words in absent["gone"]
        with pytest.raises(DataError, match=r"none of its sets can be run\n  - gone: "):
            run_suite(suite(world, gone), [bundle], world / "out2")

    def test_images_need_a_bundle_and_grades_the_repositorys_own_table(self, world: Path) -> None:
        with pytest.raises(ConfigError, match=r"suite 'small' holds images .first. and no model was named"):
            run_suite(world / "suite.yaml", [], world / "out")
        gone = {"name": "uci", "manifest": "uci/dermatology.data", "grades": "histology"}
        with pytest.raises(DataError, match=r"dermatology\.data is not there; get .*archive\.ics\.uci\.edu"):
            run_suite(suite(world, gone), [], world / "out")
        with pytest.raises(ConfigError, match=r"its table is the repository's own dermatology\.data"):
            load_suite(suite(world, gone | {"manifest": "m.csv"}))

    def test_endpoint_aggregation_and_set_are_known_words(self, tmp_path: Path) -> None:
        one = {"name": "a", "manifest": "m.csv", "public": "ham1000"}
        with pytest.raises(ConfigError, match=r"unknown public set 'ham1000' .did you mean 'ham10000'"):
            load_suite(suite(tmp_path, one))
        fine = {"name": "a", "manifest": "m.csv"}
        with pytest.raises(ConfigError, match=r"primary: found 'auc'.*did you mean 'auroc'") as caught:
            load_suite(suite(tmp_path, fine, primary="auc", aggregation="image"))
        assert "aggregation: found 'image'" in str(caught.value)
        drawn = {"name": "a", "manifest": "truth.csv", "draw": {"modality": "histology"}}
        with pytest.raises(ConfigError, match=r"its manifest is named manifest\.csv"):
            load_suite(suite(tmp_path, drawn))

    def test_a_drawn_set_is_drawn_once(self, tmp_path: Path) -> None:
        draw = {"modality": "clinical", "n": 8, "seed": 3, "size": 64, "laboratories": 2}
        drawn = {"name": "p", "manifest": "drawn/manifest.csv", "draw": draw, "split": "test"}
        loaded = load_suite(suite(tmp_path, drawn))
        found, absent = read_sets(loaded, tmp_path)
        assert absent == {}
        assert found["p"].phantom.all()
        before = (tmp_path / "drawn" / "manifest.csv").stat().st_mtime_ns
        again, _ = read_sets(loaded, tmp_path)
        assert again["p"].fingerprint == found["p"].fingerprint
        assert (tmp_path / "drawn" / "manifest.csv").stat().st_mtime_ns == before


class TestOutside:
    def test_patients_called_positive_are_counted_with_an_exact_interval(self, world: Path) -> None:
        path = suite(world, {"name": "far", "manifest": "m.csv", "positive": "nme", "outside": True})
        bundle = tiny_bundle(world / "models" / "a")
        (row,) = run_suite(path, [bundle.folder], world / "out").rows
        (predictions,) = (world / "out" / "far").rglob("predictions.csv")
        called = int((pd.read_csv(predictions)["diagnosis"] == "nme").sum())  # one image per patient
        assert (row["called_positive"], row["n_negative"]) == (called, 12)
        exact = binomtest(called, 12).proportion_ci(method="exact")
        assert row["called_positive_low"] == pytest.approx(exact.low)
        assert row["called_positive_high"] == pytest.approx(exact.high)
        assert row["note"].startswith(f"called nme: {called} of 12 patients")
        assert "auroc" not in row


class TestBundles:
    def test_all_that_cannot_be_opened_are_told(self, world: Path) -> None:
        with pytest.raises(BundleError, match=r"(?s)bundles: 2 problems.*nowhere.*elsewhere"):
            run_suite(world / "suite.yaml", [world / "nowhere", world / "elsewhere"], world / "out")

    def test_two_of_one_name(self, world: Path) -> None:
        folders = [tiny_bundle(world / place / "a").folder for place in ("x", "y")]
        with pytest.raises(BundleError, match="two bundles share a name: a, a"):
            run_suite(world / "suite.yaml", folders, world / "out")


@pytest.mark.slow
class TestBoard:
    def test_one_row_per_set_and_bundle_with_hashes_and_counts(self, world: Path) -> None:
        bundles = [tiny_bundle(world / "models" / name, seed=n) for n, name in enumerate("ab")]
        board = run_suite(world / "suite.yaml", [bundle.folder for bundle in bundles], world / "out")
        assert {row["bundle"]: row["bundle_hash"] for row in board.rows} == {
            bundle.info.name: bundle.hash for bundle in bundles
        }
        aurocs = [row["auroc"] for row in board.rows]
        assert aurocs == sorted(aurocs, reverse=True)
        for row in board.rows:
            assert row["note"] == ""
            assert row["n"] == "3 positive and 6 negative patients"  # of the test split alone
            assert 0 <= row["auroc"] <= 1
        content = json.loads((world / "out" / "leaderboard.json").read_text())
        assert content["suite_hash"] == sha256_of(world / "suite.yaml")
        assert content["rows"] == board.rows
        table = pd.read_csv(world / "out" / "leaderboard.csv")
        assert table["bundle"].tolist() == [row["bundle"] for row in board.rows]
        assert board.path.with_suffix(".md").read_text() == board.text
        assert board.path.read_text().startswith("<!doctype html>")
        for row in board.rows:
            assert f"| {row['bundle']} `{row['bundle_hash'][:8]}` | nme |" in board.text
        assert str(world) not in (world / "out" / "leaderboard.json").read_text()

    def test_a_bundle_that_has_seen_an_image_gets_no_score(self, world: Path) -> None:
        seen = sha256_of(world / "images" / "good_00.jpg")
        clean = tiny_bundle(world / "models" / "clean")
        stained = tiny_bundle(world / "models" / "stained", seen=[seen])
        board = run_suite(world / "suite.yaml", [stained.folder, clean.folder], world / "out")
        assert [row["bundle"] for row in board.rows] == ["clean", "stained"]  # unscored last
        assert board.rows[1]["note"] == "not held out: 1 of 9 images were trained or steered on"
        assert "auroc" not in board.rows[1]
        assert "not held out" in board.text
        assert not list((world / "out" / "first").glob("stained*"))

    def test_an_image_of_another_split_does_not_count(self, world: Path) -> None:
        (image,) = (world / "images").glob("good_10*")
        seen = sha256_of(image)
        bundle = tiny_bundle(world / "models" / "a", seen=[seen])
        (row,) = run_suite(world / "suite.yaml", [bundle.folder], world / "out").rows
        assert row["note"] == ""

    def test_labels_a_bundle_cannot_read_are_a_row_not_an_end(self, world: Path) -> None:
        text = (world / "m.csv").read_text().replace("eczema", "scabies")
        (world / "m.csv").write_text(text)
        bundle = tiny_bundle(world / "models" / "a")
        (row,) = run_suite(world / "suite.yaml", [bundle.folder], world / "out").rows
        assert "scabies" in row["note"]
        assert "auroc" not in row

    def test_run_again_it_uses_what_is_there(self, world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        folder = tiny_bundle(world / "models" / "a").folder
        first = run_suite(world / "suite.yaml", [folder], world / "out")
        monkeypatch.setattr(ImageReader, "_decode", lambda *_: pytest.fail("an image was read again"))
        second = run_suite(world / "suite.yaml", [folder], world / "out")
        assert second.rows == first.rows

    def test_phantoms_are_called_so(self, world: Path) -> None:
        table = pd.read_csv(world / "m.csv", dtype=str)
        table.assign(phantom="true").to_csv(world / "m.csv", index=False)
        board = run_suite(world / "suite.yaml", [tiny_bundle(world / "models" / "a").folder], world / "out")
        assert "**PHANTOM" in board.text

    def test_a_note_with_a_pipe_does_not_break_the_table(self, world: Path) -> None:
        text = (world / "m.csv").read_text().replace("eczema", "a|b")
        (world / "m.csv").write_text(text)
        board = run_suite(world / "suite.yaml", [tiny_bundle(world / "models" / "a").folder], world / "out")
        rows = [line for line in board.text.splitlines() if line.startswith("|")]
        assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows}) == 1


class TestGrades:
    """A drawn table in the native layout: psoriasis and lichen planus show what their texts say, others nothing."""

    @pytest.fixture
    def table(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        generator = np.random.default_rng(0)
        grades = generator.integers(0, 2, (120, 34))
        disease = np.arange(120) % 6 + 1
        grades[disease == 1, 21] = (
            3  # psoriasis: elongated rete ridges, thinned above the papillae, no granular layer
        )
        grades[disease == 1, 19:21] = 3
        grades[disease == 3, 26] = 3  # lichen planus: vacuolar damage and a band of lymphocytes
        grades[disease == 3, 32] = 3
        grades[:, 10] = 0
        (tmp_path / "uci").mkdir()
        lines = [",".join(map(str, [*row, code])) for row, code in zip(grades, disease, strict=True)]
        (tmp_path / "uci" / "dermatology.data").write_text("\n".join(lines) + "\n")
        some = {name: c for name, c in baselines.classifiers().items() if name in ("kNN-5", "Gaussian NB")}
        monkeypatch.setattr(contenders_module, "classifiers", lambda _: some)
        return tmp_path

    def test_knowledge_and_classifiers_stand_on_one_board(self, table: Path) -> None:
        path = suite(table, {"name": "h", "manifest": "uci/dermatology.data", "grades": "histology"})
        bundle = tiny_bundle(table / "models" / "a")
        board = run_suite(path, [bundle.folder], table / "out")
        rows = {row["bundle"]: row for row in board.rows}
        assert list(rows)[-1] == bundle.info.name
        assert rows[bundle.info.name]["note"] == "reads images; this set has grades of findings only"
        assert rows["knowledge"]["first"] is True
        assert rows["knowledge"]["bundle_hash"] == load_knowledge().fingerprint
        for name in ("kNN-5", "Gaussian NB"):
            assert rows[name]["compared_patients"] == 120
            assert 0 <= rows[name]["p_holm"] <= 1
            difference = rows[name]["balanced_accuracy"] - rows["knowledge"]["balanced_accuracy"]
            assert rows[name]["difference"] == pytest.approx(difference)
        assert "| answered by | balanced accuracy minus that of knowledge |" in board.text
        assert all(row.get("n", "120 patients") == "120 patients" for row in board.rows)
        again = run_suite(path, [bundle.folder], table / "out")
        assert again.text == board.text

    def test_knowledge_uses_no_patient_and_classifiers_never_their_own(self, table: Path) -> None:
        read = read_uci_dermatology(table / "uci")
        knowing, *learned = contenders_module.contenders(read, "histology")
        one = replace(read, attributes=read.attributes[:1], disease=read.disease[:1])
        alone = next(contenders_module.contenders(one, "histology"))
        assert alone.probabilities[0] == pytest.approx(knowing.probabilities[0])
        assert (knowing.probabilities[read.disease == 2].argmax(axis=1) == 2).mean() > 0.8
        assert all(answer.probabilities.shape == (120, 6) for answer in learned)
        noise = replace(read, attributes=np.random.default_rng(1).integers(0, 4, (120, 34)).astype(float))
        blind = next(c for c in contenders_module.contenders(noise, "both") if c.name == "kNN-5")
        assert (
            blind.probabilities.argmax(axis=1) == read.disease
        ).mean() < 0.35  # 1 if a patient knew himself
