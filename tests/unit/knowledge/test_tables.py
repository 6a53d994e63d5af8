"""The shipped tables: equal to the compilation they come from, cited throughout, free of its known errors."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from pathlib import Path

import pytest

from nmevision.knowledge.loading import DATA, load_knowledge
from nmevision.knowledge.tables import FIELDS, MODALITIES, TEXTBOOK, Modality
from nmevision.taxonomy import load_taxonomy

TAXONOMY = Path(__file__).resolve().parents[3] / "configs" / "taxonomies" / "necrolytic-and-mimics.yaml"
KNOWN = load_knowledge()
HEADS = {
    "NME_e": "nme:early",
    "NME_a": "nme:active",
    "NME_c": "nme:chronic",
    "NME": "nme",
    "AE": "acrodermatitis_enteropathica",
    "PEL": "pellagra",
    "NAE": "necrolytic_acral_erythema",
    "BEF": "biotin_efa_deficiency",
    "PSO": "psoriasis",
    "ECZ_a": "eczema:acute",
    "ECZ_s": "eczema:subacute",
    "ECZ_c": "eczema:chronic",
    "ECZ": "eczema",
    "SEB": "seborrheic_dermatitis",
    "PF": "pemphigus_foliaceus",
    "SPD": "subcorneal_pustular_dermatosis",
    "CAN": "candidiasis_intertrigo",
    "TIN": "tinea",
    "SJS": "sjs_ten",
    "EM": "erythema_multiforme",
    "SCLE": "scle",
    "PRP": "pityriasis_rubra_pilaris",
    "LP": "lichen_planus",
    "PR": "pityriasis_rosea",
    "NOR": "normal",
}
"""Column heads of the compilation's matrices and of our profiles."""
WITHOUT_PROFILE = {
    "irritant_contact_dermatitis",
    "fixed_drug_eruption",
    "hailey_hailey_disease",
    "darier_disease",
    "impetigo",
    "drug_eruption",
    "erythema_annulare_centrifugum",
}
DATA_TEXT = {path.name: path.read_text(encoding="utf-8") for path in sorted(DATA.iterdir())}


def distance(modality: Modality, one: str, other: str) -> int:
    profiles = {profile.key: profile for profile in KNOWN.profiles_of(modality)}
    return profiles[HEADS[one]].distance(profiles[HEADS[other]])


@pytest.mark.real
@pytest.mark.parametrize("modality", MODALITIES)
def test_profiles_equal_the_compilation_cell_for_cell(modality: Modality, shared_data: Path) -> None:
    path = shared_data.parent / "knowledge" / f"{modality}_matrix.csv"
    rows = list(csv.DictReader(path.open(encoding="utf-8")))
    heads = [name for name in rows[0] if name not in ("finding", "skincon")]
    profiles = KNOWN.profiles_of(modality)
    assert [profile.key for profile in profiles] == [HEADS[head] for head in heads]
    assert [finding.key for finding in KNOWN.findings_of(modality)] == [row["finding"] for row in rows]
    for head, profile in zip(heads, profiles, strict=True):
        assert {key: str(cell) for key, cell in profile.cells.items()} == {
            r["finding"]: r[head] for r in rows
        }


@pytest.mark.real
def test_skincon_names_are_those_of_the_compilation(shared_data: Path) -> None:
    path = shared_data.parent / "knowledge" / "clinical_matrix.csv"
    for row in csv.DictReader(path.open(encoding="utf-8")):
        printed = (
            "" if row["skincon"].startswith("-") else re.sub(r" \((<50 img|\+Scale)\)", "", row["skincon"])
        )
        finding = KNOWN.findings[row["finding"]]
        assert " / ".join(finding.skincon) == printed
        assert ("fewer than 50 images" in finding.remark) == ("<50" in row["skincon"])


def test_tags_are_counted_as_the_compilation_counts_them() -> None:
    assert KNOWN.tag_counts("histology") == {"a": 127, "u": 68, "c": 16, "t": 456}
    assert KNOWN.tag_counts("clinical") == {"a": 161, "u": 48, "c": 6, "t": 621}


@pytest.mark.parametrize(
    ("one", "other", "printed"),
    [
        ("NME_a", "AE", 7),
        ("NME_a", "BEF", 15),
        ("NME_a", "PEL", 19),
        ("NME_a", "NAE", 23),
        ("NME_a", "ECZ_a", 23),
        ("NME_a", "ECZ_s", 23),
        ("NME_a", "PSO", 29),
        ("NME_a", "PF", 28),
        ("NME_c", "BEF", 10),
        ("NME_c", "AE", 14),
        ("NME_c", "NAE", 14),
        ("NME_c", "PEL", 14),
        ("NME_c", "PSO", 20),
        ("NME_e", "PR", 9),
        ("NME_e", "BEF", 12),
        ("NME_e", "ECZ_a", 14),
        ("NME_e", "ECZ_s", 14),
        ("NME_e", "NME_a", 17),
    ],
)
def test_histology_distances_are_those_printed(one: str, other: str, printed: int) -> None:
    assert distance("histology", one, other) == distance("histology", other, one) == printed


def test_clinical_neighbours_are_those_printed() -> None:
    printed = {"AE": 23, "TIN": 34, "CAN": 38, "SPD": 40, "NAE": 41, "PEL": 42, "PF": 42, "ECZ": 43}
    assert {head: distance("clinical", "NME", head) for head in printed} == printed


def test_words_are_those_of_the_taxonomy() -> None:
    taxonomy = load_taxonomy(TAXONOMY)
    assert list(KNOWN.groups) == [group.key for group in taxonomy.groups]
    assert list(KNOWN.diagnoses) == list(taxonomy.keys)
    assert KNOWN.group_of == taxonomy.group_of
    assert [d.name for d in KNOWN.diagnoses.values()] == [d.name for d in taxonomy.diagnoses]
    for diagnosis in KNOWN.diagnoses.values():
        assert {taxonomy.diagnosis_of(name) for name in diagnosis.synonyms} <= {diagnosis.key}


def test_diagnoses_without_profile_say_so() -> None:
    profiled = {profile.diagnosis for profile in KNOWN.profiles}
    assert set(KNOWN.diagnoses) - profiled == WITHOUT_PROFILE
    assert all("no profile" in KNOWN.diagnoses[key].note for key in WITHOUT_PROFILE)


def test_every_profile_grades_every_finding() -> None:
    for modality in MODALITIES:
        keys = [finding.key for finding in KNOWN.findings_of(modality)]
        assert all(list(profile.cells) == keys for profile in KNOWN.profiles_of(modality))
    staged = {d.key: d.stages for d in KNOWN.diagnoses.values() if d.stages}
    assert staged == {"nme": ("early", "active", "chronic"), "eczema": ("acute", "subacute", "chronic")}
    assert [p.stage for p in KNOWN.profiles_of("histology", "eczema")] == list(staged["eczema"])
    assert [p.stage for p in KNOWN.profiles_of("clinical", "eczema")] == [""]


def test_every_cell_cites_what_its_tag_says() -> None:
    for profile in KNOWN.profiles:
        for cell in profile.cells.values():
            assert set(cell.sources) <= set(KNOWN.sources)
            assert (cell.sources == (TEXTBOOK,)) == (cell.tag == "t")
            assert ("uci1998" in cell.sources) == (cell.tag in "uc")
            assert cell.tag != "a" or TEXTBOOK not in cell.sources


def test_a_site_or_a_symptom_needs_that_site_or_the_history() -> None:
    for finding in KNOWN.findings_of("clinical"):
        assert bool(finding.needs) == (finding.layer != "surface") or not finding.in_photo
        assert finding.in_photo != bool({"history", "two_times"} & set(finding.needs))
    assert all(finding.needs for finding in KNOWN.findings_of("histology"))
    used = {need for finding in KNOWN.findings.values() for need in finding.needs}
    assert used == {need for modality in MODALITIES for need in FIELDS[modality]}


def test_uci_attributes_mean_one_finding_each() -> None:
    uses = Counter(number for finding in KNOWN.findings.values() for number in finding.uci)
    histologic = {n for f in KNOWN.findings_of("histology") for n in f.uci}
    assert set(uses.values()) == {1}
    assert histologic == set(range(12, 34)) - {16, 29}  # exocytosis and saw-tooth retes have no finding here
    defining = ("upper_epidermal_pallor", "upper_epidermal_necrosis", "dyskeratosis_single_cell")
    assert not any(KNOWN.findings[key].uci for key in defining)


def test_one_patient_of_two_publications_has_one_id() -> None:
    cases = {case.patient_id: case for case in KNOWN.cases}
    assert len(cases) == len(KNOWN.cases) == 7
    both = [case for case in KNOWN.cases if {"xian-series2021", "xian-case"} <= set(case.sources)]
    assert [case.patient_id for case in both] == ["xian-6"]
    assert both[0].values["glucagon_pg_ml"] == ">800"
    assert both[0].values["diabetes"].startswith("conflict")


def test_counts_of_the_series_follow_from_its_patients() -> None:
    printed = {a.feature: (a.k, a.n) for a in KNOWN.associations if a.source == "xian-series2021" and a.k}
    values = [case.values for case in KNOWN.cases]

    def counted(column: str, *words: str) -> tuple[int, int]:
        return sum(any(word in row[column] for word in words) for row in values), len(values)

    assert printed["diabetes"] == counted("diabetes", "Y")
    assert printed["impaired_glucose_tolerance"] == counted("diabetes", "impaired")
    assert printed["weight_loss"] == counted("weight_loss", "Y")
    assert printed["anaemia"] == counted("anaemia", "Y")
    assert printed["stomatitis_glossitis_cheilitis"] == counted("stomatitis", "Y")
    assert printed["diarrhoea"] == counted("diarrhoea", "Y")
    assert printed["deep_vein_thrombosis"] == counted("deep_vein_thrombosis", "Y")
    assert printed["metastasis_at_diagnosis"] == counted("metastases", "liver")
    assert printed["tumour_in_head"] == counted("tumour_site", "head")
    assert printed["sex_female"] == counted("sex", "F")
    below = [int(row["glucagon_pg_ml"]) for row in values if row["glucagon_pg_ml"].isdigit()]
    assert printed["glucagon_below_500_pg_ml"] == (sum(value < 500 for value in below), 7)
    assert printed["glucagon_below_1000_pg_ml"] == (sum(value < 1000 for value in below), 7)
    ages = sorted(int(row["age"]) for row in values)
    assert (round(sum(ages) / 7, 1), ages[3], ages[0], ages[-1]) == (40.1, 44, 23, 51)


ERRORS = (
    "pseudoxanthoma",
    "necrotizing",
    "necrotising",
    "somatostatin agonist",
    "median 40",
    "42.5",
    "216.92",
    "all the patients",
)
DOSES = r"\d\s*(mg|µg|mcg|mCi|mg/mo)\b"


@pytest.mark.parametrize("name", DATA_TEXT)
def test_known_errors_and_doses_are_not_repeated(name: str) -> None:
    text = DATA_TEXT[name]
    assert [error for error in ERRORS if error in text.casefold()] == []
    assert re.findall(DOSES, text) == []


def test_nme_is_not_called_after_the_syndrome() -> None:
    names = " ".join((KNOWN.diagnoses["nme"].name, *KNOWN.diagnoses["nme"].synonyms))
    assert "glucagonoma" not in names
    shares = {a.value or (a.k, a.n) for a in KNOWN.associations if a.feature == "tumour_in_tail"}
    assert len(shares) > 1  # no single share of the pancreatic tail


def test_it_is_plain_json() -> None:
    plain = json.loads(json.dumps(KNOWN.to_dict(), allow_nan=False))
    assert plain["findings"]["parakeratosis"]["modality"] == "histology"
    psoriasis = next(p for p in plain["profiles"] if p["diagnosis"] == "psoriasis")
    assert psoriasis["cells"]["parakeratosis"]["grade"] == 3
    assert len(plain["profiles"]) == 23 + 19
