"""Hidden diseases on a table with known truth: right texts win, dealt and wrong ones do not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nmevision.evaluation.metrics import auroc
from nmevision.journeys.uci.curves import crossing, learning_curve, with_missing, with_noise
from nmevision.journeys.uci.designs import double_hidden, first_trial_method, method_of, naive, row_aurocs
from nmevision.journeys.uci.scorer import Setting
from nmevision.journeys.uci.study import Study, Text
from nmevision.journeys.uci.variants import leave_one_disease_out, name_of, pair_aurocs

METHOD = method_of(Setting(known="histogram"), "known+mimics")


def test_row_aurocs_are_the_aurocs_of_the_rows() -> None:
    generator = np.random.default_rng(0)
    scores = generator.integers(0, 5, size=(3, 20)).astype(float)  # with ties
    positive, negative = np.arange(8), np.arange(8, 20)
    labels = np.arange(20) < 8
    expected = [auroc(labels, row).value for row in scores]
    np.testing.assert_allclose(row_aurocs(scores, positive, negative), expected)


@pytest.mark.parametrize("method", [METHOD, first_trial_method])
def test_right_texts_beat_permuted_and_other_ones_on_known_truth(known_truth: Study, method: object) -> None:
    found = double_hidden(known_truth, method, permutations=40)  # type: ignore[arg-type]
    assert found.of_disease.min() > 0.9
    assert found.of_permuted.mean() < 0.75
    assert np.nanmean(found.other_profile) < 0.75
    assert np.nanmean(found.both) > 0.97
    assert np.isnan(np.diag(found.auroc)).all()
    assert (found.p >= 1 / 41).all()
    assert found.mean_interval.low <= found.of_disease.mean() <= found.mean_interval.high


def test_wrong_texts_do_not_beat_permuted_ones(known_truth: Study) -> None:
    shuffled = np.random.default_rng(3).permuted(known_truth.text.grades, axis=1)
    wrong = replace(known_truth, text=Text(shuffled, known_truth.text.tags))
    found = double_hidden(wrong, METHOD, permutations=40)
    assert found.beaten <= 2
    assert found.of_disease.mean() < 0.8


def test_hidden_patients_and_their_texts_teach_nothing(known_truth: Study) -> None:
    spoiled = known_truth.text.grades.copy()
    spoiled[3] = 3 - spoiled[3]
    other = replace(known_truth, text=Text(spoiled, known_truth.text.tags))
    ours, theirs = (double_hidden(study, METHOD, permutations=0).auroc for study in (known_truth, other))
    np.testing.assert_array_equal(ours[:3], theirs[:3])  # d's text is not looked at in c against d


def test_novelty_alone_does_well_in_the_naive_test_and_says_so(known_truth: Study) -> None:
    rows = naive(known_truth, METHOD, permutations=20)
    assert [row.disease for row in rows] == ["a", "b", "c", "d"]
    assert all(row.n_positive == 25 and row.n_negative == 75 for row in rows)
    assert min(row.auroc for row in rows) > 0.95
    assert min(row.data_centroid for row in rows) > 0.95
    assert np.mean([row.novelty for row in rows]) > 0.75
    assert all(row.permuted_mean <= row.permuted_limit for row in rows)


def test_patients_catch_up_with_the_text(known_truth: Study) -> None:
    points = learning_curve(known_truth, Setting(known="histogram"), "known+mimics", counts=(0, 1, 10))
    by_k = {k: [p for p in points if p.k == k] for k in (0, 1, 10)}
    text = [np.mean([p.with_text for p in by_k[k]]) for k in (0, 1, 10)]
    alone = [np.mean([p.data_alone for p in by_k[k]]) for k in (0, 1, 10)]
    assert text[0] > alone[0] + 0.2
    assert alone[0] < alone[1] < alone[2]
    assert alone[2] > 0.9
    first, second = crossing(points, "a")
    assert first in (1, 10, None)
    assert second is None or second >= (first or 0)
    areas = pair_aurocs(known_truth, Setting(known="histogram"), ("known+mimics",))["known+mimics"]
    assert text[0] == pytest.approx(np.nanmean(areas))  # no patient: the double-hidden test itself


def test_noise_moves_a_share_of_grades_by_one_step_and_leaves_history_and_age() -> None:
    table = np.tile(np.array([0.0, 1, 2, 3])[:, None], (500, 34))
    noisy = with_noise(table, 0.3, np.random.default_rng(0))
    moved = np.abs(noisy - table)
    assert set(np.unique(moved)) == {0.0, 1.0}
    assert noisy.min() == 0
    assert noisy.max() == 3
    assert moved[:, :10].mean() == pytest.approx(0.3, abs=0.01)
    assert not moved[:, [10, 33]].any()
    missing = np.isnan(with_missing(table, 0.8, np.random.default_rng(0)))
    assert missing.mean() == pytest.approx(0.8, abs=0.01)


def test_the_choice_of_a_variant_never_sees_the_disease_it_is_read_on() -> None:
    import pandas as pd

    factors = {"merge": "max", "reading": "tags", "known": "posterior", "dependence": "independent"}
    variants = pd.DataFrame(
        [
            factors | {"rivals": "known", "against_known": True, "a": 1.0, "b": 0.6, "c": 0.6},
            factors | {"rivals": "known max", "against_known": True, "a": 0.5, "b": 0.7, "c": 0.7},
            factors | {"rivals": "none", "against_known": False, "a": 1.0, "b": 1.0, "c": 1.0},
        ]
    )
    chosen = leave_one_disease_out(variants, ("a", "b", "c"))
    assert [row.auroc for row in chosen] == [0.5, 0.6, 0.6]
    assert chosen[0].variant == name_of(variants.loc[1])
