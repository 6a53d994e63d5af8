"""Charts: places on the axes are right, areas are those of the scores, and no text is markup."""

from __future__ import annotations

from itertools import pairwise
from xml.etree import ElementTree

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from nmevision.evaluation.report import _steps
from nmevision.reporting.charts import Axis, ForestRow, Plot, forest, unit_axis
from nmevision.reporting.report_charts import _stairs

HOSTILE = "</text><script>alert(1)</script>&\"'"


def plot() -> Plot:
    return Plot("p", HOSTILE, unit_axis(HOSTILE), unit_axis("y"), [(HOSTILE, "c0", "")], [HOSTILE], HOSTILE)


def test_an_axis_places_values() -> None:
    assert unit_axis("x").share(0.25) == 0.25
    assert Axis("x", 0.001, 0.1, (), logarithmic=True).share(0.01) == pytest.approx(0.5)
    chart = plot()
    (left, bottom), (right, top) = chart.at(0, 0), chart.at(1, 1)
    assert left < right
    assert bottom - top == pytest.approx(chart.tall)


def test_texts_are_escaped_and_kept() -> None:
    chart = plot()
    chart.line([(0, 0), (1, 1)], "c0")
    chart.text(0.5, 0.5, HOSTILE)
    rows = [ForestRow(HOSTILE, 0.5, 0.4, float("nan"), HOSTILE)]
    for svg in (chart.svg(), forest(HOSTILE, rows, [HOSTILE], HOSTILE, 0.5)):
        tree = ElementTree.fromstring(str(svg))
        assert {element.tag for element in tree.iter()} <= {
            "svg", "text", "line", "path", "g", "clipPath", "rect", "circle",
        }  # fmt: skip
        assert any("<script>" in (element.text or "") for element in tree.iter("text"))


def test_the_stairs_of_precision_have_the_area_of_the_score() -> None:
    generator = np.random.default_rng(0)
    truth = generator.random(80) < 0.3
    p = np.round(generator.random(80) + 0.4 * truth, 2)
    corners = _stairs(list(zip(*(list(v) for v in _steps(truth, p)), strict=True)))
    area = sum((x2 - x) * y for (x, _), (x2, y) in pairwise(corners))
    assert area == pytest.approx(average_precision_score(truth, p))
