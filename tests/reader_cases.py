"""Random cases for the page's reasoning and for Python's, and the script that runs the page's."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import numpy as np

from nmevision.knowledge.answer import Reasoner
from nmevision.knowledge.answer_records import Observed
from nmevision.knowledge.clinical_data import FEATURES, ClinicalData, is_site_or_history, read_glucagon
from nmevision.knowledge.fusion import Fusion
from nmevision.knowledge.loading import load_knowledge
from nmevision.knowledge.observations import from_grades
from nmevision.knowledge.prior import Prior, Rate
from nmevision.knowledge.route import KnowledgeRoute
from nmevision.knowledge.tables import FIELDS, Modality
from nmevision.reader.tables import reasoning_tables, route_tables
from nmevision.taxonomy import Taxonomy

SCRIPTS = ("numbers.js", "reasoning.js", "routes.js", "clinical.js", "answering.js")
GLUCAGON = ("", "", "217 pg/mL", ">800 ng/L", "<30 pmol/L", "62 pmol/L", "400 pmol/L", "<600 pg/mL")
PRIOR = Prior(comparison_rates={"diabetes": Rate(k=12, n=100, source="made for this test")})

CHECK = """
function check(input) {
  const answering = new Answering(input.tables);
  const grade = (g) => (g === null ? null : ProfileModel.grade(g));
  const told = input.cases.map((one) => {
    const glucagon = one.glucagon ? answering.clinical.readGlucagon(one.glucagon) : null;
    const sites = Object.fromEntries(Object.entries(one.sites).map(([key, g]) => [key, grade(g)]));
    const more = { fields: one.fields, sites, features: one.features, glucagon };
    const answer = answering.answer(one.grades.map(grade), more);
    if (!answer.groups) return { headline: answer.headline, message: answer.message };
    const members = answer.groups.flatMap((group) => answer.members(group.key));
    return {
      headline: answer.headline, message: answer.message, fit: answer.fit, caveats: answer.caveats,
      groups: answer.groups.map((g) => [g.key, g.probability, g.low, g.high]),
      members: members.map((m) => [m.key, m.within && m.within.at, m.within && m.within.low, m.noNumber]),
      weights: answer.weights(answer.leader, answer.rival).map((w) =>
        [answering.keys[w.finding], w.grade, w.decibans, w.target, w.rival]),
      focus: answer.weights(input.tables.focus, "").map((w) => [answering.keys[w.finding], w.decibans]),
      next: answer.next().map((i) => [answering.keys[i.finding], i.bits]),
      clinical: answer.clinical.statements, steps: answer.workup.map((s) => s.text),
    };
  });
  const routes = new Routes(input.routes, input.tables, answering.model);
  const fused = input.rows.map((row) => {
    const evidence = routes.evidence(row, row.given);
    return { ...routes.answer(row, evidence), fit: answering.model.fit(evidence) };
  });
  return { told, fused };
}
"""


def page_source() -> str:
    """Return the page's reasoning and the function `check` as one script."""
    folder = files("nmevision.reader") / "assets"
    return "\n".join([*((folder / name).read_text(encoding="utf-8") for name in SCRIPTS), CHECK])


def taxonomy() -> Taxonomy:
    """Return some diagnoses with a profile, one without (`tumour`), in two renamed groups and two of their own."""
    keys = ["nme", "pellagra", "psoriasis", "eczema", "lichen_planus", "normal", "tumour"]
    named = ["necrolytic", "necrolytic", "psoriasiform", "spongiotic", "interface", "normal", "tumour"]
    return Taxonomy.model_validate(
        {
            "name": "of the test",
            "groups": [{"key": key, "name": key} for key in dict.fromkeys(named)],
            "diagnoses": [{"key": k, "name": k, "group": g} for k, g in zip(keys, named, strict=True)],
        }
    )


class Bench:
    """Random cases of one modality, what Python says of them, and what the page is to be told."""

    def __init__(self, modality: Modality, n: int, seed: int, prior: Prior) -> None:
        self.rng = np.random.default_rng(seed)
        self.knowledge, self.modality = load_knowledge(), modality
        self.reasoner = Reasoner(self.knowledge, modality, prior)
        self.keys = [f.key for f in self.knowledge.findings_of(modality)]
        self.sites = [f.key for f in self.knowledge.findings_of("clinical") if is_site_or_history(f)]
        self.cases = [self._case(i) for i in range(n)]
        self._make_routes(n)
        self.input: dict[str, Any] = {
            "tables": reasoning_tables(self.knowledge, modality, prior),
            "cases": self.cases,
            "routes": self.routes,
            "rows": self.rows,
        }

    def _case(self, number: int) -> dict[str, Any]:
        rng = self.rng
        missing = (1.0, 0.9, 0.5, 0.1)[number % 4] if number < 40 else 0.5
        grades = [None if rng.random() < missing else int(rng.integers(4)) for _ in self.keys]
        if number >= 10 and number % 4 == 0:  # like a profile, so that some fit well
            row = int(rng.integers(len(self.reasoner.model.components)))
            grades = [int(g) for g in np.rint(self.reasoner.model.means[row])]
        return {
            "grades": grades,
            "fields": {k: bool(rng.integers(2)) for k in FIELDS[self.modality] if rng.random() < 0.15},
            "sites": {k: int(rng.integers(4)) for k in self.sites if rng.random() < 0.1}
            if self.modality == "histology"
            else {},
            "features": {k: bool(rng.integers(2)) for k in FEATURES if rng.random() < 0.1},
            "glucagon": GLUCAGON[int(rng.integers(len(GLUCAGON)))],
        }

    def observed(self, case: dict[str, Any]) -> Observed:
        grades = [[np.nan if g is None else g for g in case["grades"]]]
        sites = {key: from_grades([[g]])[0, 0] for key, g in case["sites"].items()}
        glucagon = read_glucagon(case["glucagon"]) if case["glucagon"] else None
        clinical = ClinicalData(sites, case["features"], glucagon)
        return Observed("case", from_grades(grades), case["fields"], clinical)

    def _make_routes(self, n: int) -> None:
        """Make a grader of some findings, and rows as it would write them."""
        rng, own = self.rng, taxonomy()
        graded = [key for i, key in enumerate(self.keys) if i % 5 != 3] + ["unknown_to_the_knowledge"]
        counts = rng.integers(0, 30, (len(graded), 4, 4)) + 20 * np.eye(4, dtype=int)
        self.confusion = counts
        fields = list(FIELDS[self.modality])[:3]
        self.fusion = Fusion(learned=0.8, knowledge=0.35, images=100)
        self.has_images = np.array([key not in ("pellagra", "lichen_planus") for key in own.keys])
        self.route = KnowledgeRoute(self.knowledge, self.modality, own, graded, counts)
        unlearned = [k for k, has in zip(own.keys, self.has_images, strict=True) if not has]
        self.routes = route_tables(
            {"fusion": self.fusion.model_dump(), "unlearned": unlearned},
            own.keys,
            {key: own.diagnosis_of(key) for key in self.route.model.classes},
            [{"key": k, "confusion": c.tolist()} for k, c in zip(graded, counts, strict=True)],
            fields,
        )
        learned = rng.dirichlet(np.where(self.has_images, 0.5, 1e-9), n)
        self.rows = [
            {
                "finding": rng.uniform(0, 3, len(graded)).tolist(),
                "spread": np.where(
                    rng.random(len(graded)) < 0.1, 0, rng.uniform(0, 1.2, len(graded))
                ).tolist(),
                "field": rng.random(len(fields)).tolist(),
                "learned": row.tolist(),
                "given": {k: int(rng.integers(4)) for k in self.route.model.findings if rng.random() < 0.2},
            }
            for row in learned
        ]

    def fused(self, row: dict[str, Any]) -> dict[str, list[float] | float]:
        """Return what Python says of one row of a grader's grades."""
        fields = {k: np.array([v]) for k, v in zip(self.routes["fields"], row["field"], strict=True)}
        given = {key: np.array([float(g)]) for key, g in row["given"].items()}
        reading = self.route.read([row["finding"]], [row["spread"]], fields, given)
        together = self.fusion.together(np.array([row["learned"]]), reading.diagnoses, self.has_images)
        return {
            "p": together[0].tolist(),
            "knowledge": reading.diagnoses[0].tolist(),
            "groups": reading.groups[0].tolist(),
            "fit": float(reading.fit[0]),
        }
