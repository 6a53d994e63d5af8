"""Taxonomies: every file loads, spellings mean what a dermatologist says, mistakes are all told."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from nmevision.errors import ConfigError
from nmevision.taxonomy import Taxonomy, load_taxonomy, normalise_label, taxonomy_from

FOLDER = Path(__file__).resolve().parents[2] / "configs" / "taxonomies"
FILES = sorted(FOLDER.glob("*.yaml"))
DERIVED = [path for path in FILES if "based_on" in yaml.safe_load(path.read_text(encoding="utf-8"))]
FULL = load_taxonomy(FOLDER / "necrolytic-and-mimics.yaml")
NECROLYTIC = {
    "nme",
    "acrodermatitis_enteropathica",
    "pellagra",
    "necrolytic_acral_erythema",
    "biotin_efa_deficiency",
}


def _name(path: Path) -> str:
    return path.stem


def test_the_taxonomies_are_found() -> None:
    assert {"necrolytic-and-mimics", "nme-vs-mimic"} <= {path.stem for path in FILES}
    assert len(DERIVED) >= 3


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_every_file_loads_and_is_named_after_itself(path: Path) -> None:
    taxonomy = load_taxonomy(path)
    assert taxonomy.name == path.stem
    assert taxonomy.description
    used = set(taxonomy.group_of.values())
    assert used == {group.key for group in taxonomy.groups}  # no unknown group, none without a member
    assert all(reason.strip() for reason in taxonomy.exclude.values())


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_every_diagnosis_is_found_by_each_of_its_spellings(path: Path) -> None:
    taxonomy = load_taxonomy(path)
    for diagnosis in taxonomy.diagnoses:
        assert diagnosis.spellings
        for text in diagnosis.spellings:
            for variant in (text, text.upper(), f"  {text.replace(' ', '_')} ", text.replace(" ", "-")):
                assert taxonomy.diagnosis_of(variant) == diagnosis.key
                assert taxonomy.exclusion_of(variant) is None


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_a_taxonomy_survives_the_bundle(path: Path) -> None:
    taxonomy = load_taxonomy(path)
    assert taxonomy.diagnosis_of("anything") is None  # the lookup tables are filled before it is written
    assert taxonomy_from(taxonomy.model_dump(mode="json"), "bundle") == taxonomy


@pytest.mark.parametrize("path", DERIVED, ids=_name)
def test_a_derived_taxonomy_places_every_base_diagnosis_once_or_excludes_it(path: Path) -> None:
    derived = load_taxonomy(path)
    for diagnosis in FULL.diagnoses:
        homes = {derived.diagnosis_of(text) for text in diagnosis.spellings}
        reasons = {derived.exclusion_of(text) for text in diagnosis.spellings}
        assert len(homes) == len(reasons) == 1, diagnosis.key
        assert (homes == {None}) != (reasons == {None}), diagnosis.key  # placed or excluded, never both
    assert all(derived.exclusion_of(label) for label in FULL.exclude)


def test_deficiency_dermatoses_are_never_a_mimic_of_nme() -> None:
    for name in ("nme-vs-mimic", "nme-psoriasis-eczema-other"):
        derived = load_taxonomy(FOLDER / f"{name}.yaml")
        assert derived.diagnosis_of("nme") == "nme"
        for key in NECROLYTIC - {"nme"}:
            assert derived.diagnosis_of(key) is None
            assert "H&E" in str(derived.exclusion_of(key))
    pattern = load_taxonomy(FOLDER / "necrolytic-vs-mimic.yaml")
    assert {pattern.diagnosis_of(key) for key in NECROLYTIC} == {"necrolytic"}
    assert {pattern.diagnosis_of(key) for key in set(FULL.keys) - NECROLYTIC} == {"mimic"}


def test_four_classes_send_the_rest_to_other() -> None:
    four = load_taxonomy(FOLDER / "nme-psoriasis-eczema-other.yaml")
    assert four.keys == ("nme", "psoriasis", "eczema", "other")
    homes = Counter(four.diagnosis_of(key) for key in FULL.keys)
    assert homes == {"nme": 1, "psoriasis": 1, "eczema": 1, None: 4, "other": len(FULL.keys) - 7}


def test_the_necrolytic_group_has_the_five_that_cannot_be_told_apart() -> None:
    assert set(FULL.members_of("necrolytic")) == NECROLYTIC
    groups = [group.key for group in FULL.groups]
    assert groups == [
        "necrolytic",
        "psoriasiform",
        "spongiotic",
        "interface",
        "acantholytic",
        "pustular",
        "normal",
        "other",
    ]


# Native spellings, each with what it is, sorted by hand.
NATIVE = {
    # Fitzpatrick17k
    "psoriasis": "psoriasis",
    "pustular psoriasis": "psoriasis",
    "eczema": "eczema",
    "dyshidrotic eczema": "eczema",
    "allergic contact dermatitis": "eczema",
    "neurodermatitis": "eczema",
    "lichen simplex": "eczema",
    "seborrheic dermatitis": "seborrheic_dermatitis",
    "lichen planus": "lichen_planus",
    "pityriasis rosea": "pityriasis_rosea",
    "pityriasis rubra pilaris": "pityriasis_rubra_pilaris",
    "acrodermatitis enteropathica": "acrodermatitis_enteropathica",
    "stevens johnson syndrome": "sjs_ten",
    "erythema annulare centrifigum": "erythema_annulare_centrifugum",
    "hailey hailey disease": "hailey_hailey_disease",
    "dariers disease": "darier_disease",
    "drug eruption": "drug_eruption",
    "fixed eruptions": "fixed_drug_eruption",
    "erythema multiforme": "erythema_multiforme",
    # SCIN
    "Irritant Contact Dermatitis": "irritant_contact_dermatitis",
    "Tinea": "tinea",
    "Drug Rash": "drug_eruption",
    "Acute dermatitis, NOS": "eczema",
    "Lichen planus/lichenoid eruption": "lichen_planus",
    "Lichen Simplex Chronicus": "eczema",
    "Stasis Dermatitis": "eczema",
    "Intertrigo": "candidiasis_intertrigo",
    "Candidal intertrigo": "candidiasis_intertrigo",
    "Candida": "candidiasis_intertrigo",
    "Inverse psoriasis": "psoriasis",
    "Infected eczema": "eczema",
    # SD-198
    "Guttate_Psoriasis": "psoriasis",
    "Scalp_Psoriasis": "psoriasis",
    "Dyshidrosiform_Eczema": "eczema",
    "Infantile_Atopic_Dermatitis": "eczema",
    "Candidiasis": "candidiasis_intertrigo",
    "Erythema_Annulare_Centrifigum": "erythema_annulare_centrifugum",
    "Hailey_Hailey_Disease": "hailey_hailey_disease",
    "Darier-White_Disease": "darier_disease",
    "Tinea_Corporis": "tinea",
    # DermaCon-IN, DermNet
    "Chronic plaque psoriasis": "psoriasis",
    "Atopic Dermatitis Photos": "eczema",
    # synonyms
    "Necrolytic Migratory Erythema": "nme",
    "SCLE": "scle",
    "toxic epidermal necrolysis": "sjs_ten",
    "Darier’s disease": "darier_disease",
    "zinc deficiency": "acrodermatitis_enteropathica",
}


@pytest.mark.parametrize(("label", "key"), NATIVE.items())
def test_native_spellings_mean_what_they_should(label: str, key: str) -> None:
    assert FULL.diagnosis_of(label) == key


UCI = {
    "psoriasis": "psoriasis",
    "seboreic dermatitis": "seborrheic_dermatitis",
    "lichen planus": "lichen_planus",
    "pityriasis rosea": "pityriasis_rosea",
    "cronic dermatitis": "eczema",
    "pityriasis rubra pilaris": "pityriasis_rubra_pilaris",
}


@pytest.mark.parametrize(("label", "key"), UCI.items())
def test_uci_labels(label: str, key: str) -> None:
    assert FULL.diagnosis_of(label) == key


@pytest.mark.real
def test_uci_labels_are_those_of_its_own_description(shared_data: Path) -> None:
    text = (shared_data / "uci_dermatology" / "dermatology.names").read_text(encoding="utf-8")
    table = text.split("Number of instances:")[1]
    found = [" ".join(line.split()[1:-1]) for line in table.splitlines() if line.strip()]
    assert found == list(UCI)


@pytest.mark.parametrize(
    "label",
    [
        "glucagonoma syndrome",
        "lupus subacute",
        "lupus erythematosus",
        "Cutaneous lupus",
        "CD - Contact dermatitis",
        "Nail_Psoriasis",
        "Psoriasis pictures Lichen Planus and related diseases",
        "Tinea Ringworm Candidiasis and other Fungal Infections",
        "Systemic Disease",
    ],
)
def test_labels_that_must_not_be_trained_on(label: str) -> None:
    assert FULL.exclusion_of(label)
    assert FULL.diagnosis_of(label) is None


@pytest.mark.parametrize("label", ["AE", "PR", "LP", "EM", "PF", "melanoma", "telangiectases", "", "-"])
def test_ambiguous_and_foreign_labels_are_not_guessed(label: str) -> None:
    assert FULL.diagnosis_of(label) is None
    assert FULL.exclusion_of(label) is None


@pytest.mark.real
def test_every_label_of_fitzpatrick17k_is_sorted(shared_data: Path) -> None:
    with (shared_data / "fitzpatrick17k" / "fitzpatrick17k.csv").open(encoding="utf-8") as stream:
        labels = Counter(row["label"] for row in csv.DictReader(stream))
    known = {label for label in labels if FULL.diagnosis_of(label)}
    excluded = {label for label in labels if FULL.exclusion_of(label)}
    foreign = set(labels) - known - excluded
    assert len(labels) == 114
    assert known == {label for label in NATIVE if label in labels}  # the 19 above, and no other by chance
    assert excluded == {"lupus subacute", "lupus erythematosus", "stasis edema"}
    assert len(foreign) == 92
    assert sum(labels[label] for label in foreign) == 16577 - 3858 - 590  # neither NME nor a mimic of ours
    assert sum(labels[label] for label in known) == 3858


def test_unknown_label_says_what_was_meant() -> None:
    message = FULL.unknown_label("psoriassis")
    assert "'psoriassis' (did you mean 'psoriasis'?)" in message
    assert "seborrheic_dermatitis" in message


def test_members_of_a_name_that_is_neither_group_nor_diagnosis() -> None:
    assert FULL.members_of("NME") == ("nme",)
    with pytest.raises(
        ConfigError, match=r"'necrolitic' is no diagnosis or group .*did you mean 'necrolytic'"
    ):
        FULL.members_of("necrolitic")


def _two(**changes: Any) -> dict[str, Any]:
    content: dict[str, Any] = {
        "name": "two",
        "groups": [{"key": "a", "name": "group a"}, {"key": "b", "name": "group b"}],
        "diagnoses": [
            {"key": "one", "name": "disease one", "group": "a", "labels": ["first"]},
            {"key": "two", "name": "disease two", "group": "b"},
        ],
    }
    return content | changes


def test_all_mistakes_of_a_file_are_told_at_once() -> None:
    diagnoses = [
        {"key": "One Two", "name": "x", "group": "a"},
        {"key": "one", "name": "x", "group": "a", "lables": ["y"]},
        {"key": "two", "group": "b"},
    ]
    with pytest.raises(ConfigError) as caught:
        taxonomy_from(_two(diagnoses=diagnoses, descripton="?"), "here.yaml")
    message = str(caught.value)
    assert message.startswith("here.yaml: 4 problems")
    assert "'lables'" not in message.splitlines()[0]
    assert "lables: unknown key (did you mean 'labels'?)" in message
    assert "descripton: unknown key (did you mean 'description'?)" in message
    assert "diagnoses.0.key: found 'One Two'" in message
    assert "diagnoses.2.name: missing" in message


def test_contradictions_are_told_together() -> None:
    diagnoses = [
        {"key": "one", "name": "disease one", "group": "a", "labels": ["shared"]},
        {"key": "two", "name": "disease two", "group": "aa", "labels": ["Shared", "left_out"]},
        {"key": "two", "name": "disease two", "group": "b"},
    ]
    with pytest.raises(ConfigError) as caught:
        taxonomy_from(_two(diagnoses=diagnoses, exclude={"left out": "why"}), "here.yaml")
    for part in (
        "diagnosis 'two' is listed twice",
        "unknown group 'aa' (did you mean 'a'?)",
        "label 'Shared' means both 'one' and 'two'",
        "label 'left out' means both 'two' and '(excluded)'",
    ):
        assert part in str(caught.value)


def _write(folder: Path, name: str, content: dict[str, Any]) -> Path:
    path = folder / name
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def _derived(folder: Path, **changes: Any) -> Path:
    _write(folder, "base.yaml", _two())
    content = {
        "name": "derived",
        "based_on": "base.yaml",
        "diagnoses": [
            {"key": "uno", "name": "disease uno", "group": "a", "takes": ["one"], "labels": ["primo"]},
            {"key": "rest", "name": "the rest", "group": "b", "takes": "rest"},
        ],
    }
    return _write(folder, "derived.yaml", content | changes)


def test_a_derived_taxonomy_takes_spellings_and_groups_along(tmp_path: Path) -> None:
    derived = load_taxonomy(_derived(tmp_path))
    assert derived.keys == ("uno", "rest")
    assert [derived.diagnosis_of(x) for x in ("one", "First", "disease one", "primo")] == ["uno"] * 4
    assert derived.diagnosis_of("disease two") == "rest"
    assert [group.name for group in derived.groups] == ["group a", "group b"]


def test_excluding_a_diagnosis_excludes_all_its_spellings_from_the_rest(tmp_path: Path) -> None:
    base = _two()
    base["diagnoses"].append({"key": "three", "name": "disease three", "group": "b", "labels": ["third"]})
    path = _derived(tmp_path, exclude={"third": "not wanted", "unclear": "no diagnosis"})
    _write(tmp_path, "base.yaml", base)
    derived = load_taxonomy(path)
    for text in ("third", "three", "Disease Three"):
        assert derived.diagnosis_of(text) is None
        assert derived.exclusion_of(text) == "not wanted"
    assert derived.exclusion_of("Unclear") == "no diagnosis"


def test_mistakes_of_a_derived_file_are_told_at_once(tmp_path: Path) -> None:
    base = _two()
    base["diagnoses"].append({"key": "pellagra", "name": "pellagra", "group": "b"})
    parts = [
        {"key": "uno", "name": "uno", "group": "a", "takes": ["one", "twoo"]},
        {"key": "eins", "name": "eins", "group": "a", "takes": ["one"]},
        {"key": "rest", "name": "rest", "group": "b", "takes": "rest"},
        {"key": "also", "name": "also", "group": "b", "takes": "rest"},
    ]
    path = _derived(tmp_path, diagnoses=parts, exclude={"pelagra": "misspelt", "first": "taken already"})
    _write(tmp_path, "base.yaml", base)
    with pytest.raises(ConfigError) as caught:
        load_taxonomy(path)
    message = str(caught.value)
    assert "'uno' takes 'twoo', which 'two' does not have (did you mean 'two'?)" in message
    assert "exclude: 'two' has no 'pelagra' (did you mean 'pellagra'?)" in message
    assert "'one' is taken more than once: 'uno', 'eins', exclude" in message
    assert "'rest' is taken more than once: 'rest', 'also'" in message
    assert ": 4 problems" in message


def test_a_taxonomy_based_on_itself_is_refused(tmp_path: Path) -> None:
    path = _derived(tmp_path, based_on="derived.yaml")
    with pytest.raises(ConfigError, match="based on itself"):
        load_taxonomy(path)


def test_a_missing_file_names_its_neighbour(tmp_path: Path) -> None:
    _write(tmp_path, "phantom.yaml", _two())
    with pytest.raises(ConfigError, match=r"no such file \(did you mean 'phantom.yaml'\?\)"):
        load_taxonomy(tmp_path / "phantoms.yaml")


@given(st.sampled_from([text for d in FULL.diagnoses for text in d.spellings]), st.data())
def test_case_and_separators_do_not_matter(text: str, data: st.DataObject) -> None:
    changed = "".join(
        data.draw(st.sampled_from(["_", "-", "  ", " - "])) if character == " " else character
        for character in data.draw(st.sampled_from([text, text.upper(), text.title()]))
    )
    assert normalise_label(changed) == normalise_label(text)
    assert FULL.diagnosis_of(changed) == FULL.diagnosis_of(text)


def test_a_taxonomy_never_changes() -> None:
    taxonomy: Taxonomy = taxonomy_from(_two(), "here.yaml")
    with pytest.raises(ValueError, match="frozen"):
        taxonomy.name = "other"
