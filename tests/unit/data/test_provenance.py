"""Labels that the folder, file or caption contradicts are listed; those it confirms are not."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nmevision.data.provenance import KINDS, Provenance, compare, name_in, summary, words_of

NME_FOLDER = {
    "a0ae926830cf382bed7b1d0de867d6a7",
    "1159b03167f3e222e22265b7e19933b6",
    "f1f6242d87f06f252c62d1d0173cff27",
    "de2a218985a8833bf59af0bd2179fca2",
    "7314c0c02f1d521c6b2b4ba955d369e8",
    "6393ad9b71c4dfb21aaca14808665845",
    "fb73a33eac130c13896bfb7494557226",
    "37b60d44e70c828d90891fb5672fa8d1",
    "aec1e76dfe2266c73db2794889443ed7",
    "0c9a63866e446cb601bdeb9a4d3787a6",
    "ce0b81d408adacbc981c448110a192e8",
}
"""Known beforehand, by hand, from the CSV of commit fac223a."""


def judged(*rows: tuple[str, str]) -> dict[str, tuple[str, str]]:
    """(label, cell) of rows -> id: (kind, suggested), ids being row numbers as text."""
    labels, cells = zip(*rows, strict=True)
    found = compare(map(str, range(len(rows))), labels, cells).rows
    return dict(zip(found["id"], zip(found["kind"], found["suggested"], strict=True), strict=True))


GOOD = [
    (label, f"http://x.org/{label}/{n}.jpg") for label in ("psoriasis", "lichen planus") for n in range(6)
]


def test_each_kind() -> None:
    found = judged(
        *GOOD,
        ("pustular psoriasis", "http://x.org/pustular_psoriasis/1.jpg"),
        ("psoriasis", "http://x.org/lichen-planus/7.jpg"),  # 13
        ("psoriasis", "http://x.org/glucagonoma_syndrome/1.jpg"),  # 14
        ("psoriasis", "http://x.org/pustular_psoriasis/2.jpg"),  # 15
        ("psoriasis", ""),  # 16
        ("psoriasis", "http://x.org/img?imageId=17"),  # says nothing
        ("", "http://x.org/lichen_planus/8.jpg"),  # no label, nothing to compare
    )
    assert found == {
        "13": ("another_label", "lichen planus"),
        "14": ("another_name", "glucagonoma syndrome"),
        "15": ("finer_label", "pustular psoriasis"),
        "16": ("no_provenance", ""),
    }


def test_a_label_that_hardly_any_row_of_its_folder_has() -> None:
    rows = [("erythema annulare centrifugum", "http://x.org/erythema_annulare/1.jpg")] * 9
    found = judged(*rows, ("erythema annulare of infancy", "http://x.org/erythema_annulare/2.jpg"), *GOOD)
    assert found == {"9": ("unlike_its_folder", "")}


@pytest.mark.parametrize(
    ("label", "folder"),
    [
        ("psoriasis", "Psoriasis-of_hands (3)"),
        ("psoriasis", "psoriassis"),
        ("keloid", "kekoid"),
        ("actinic keratosis", "actinic_keratoses"),
        ("epidermal nevus", "epidermal_naevus"),
        ("dyshidrotic eczema", "pompholyx"),
        ("squamous cell carcinoma", "carcinome_spinocellulaire"),
        ("mycosis fungoides", "mycosis-fongoide"),
        ("sarcoidosis", "lupus-pernio"),
    ],
)
def test_spellings_and_other_names_agree(label: str, folder: str) -> None:
    assert judged(*GOOD, ("lupus erythematosus", "u/lupus/1.jpg"), (label, f"http://x/{folder}/1.jpg")) == {}


@pytest.mark.parametrize(
    ("label", "folder"),
    [
        ("milia", "miliaria"),
        ("rosacea", "roseola"),
        ("halo nevus", "favus"),
        ("scleroderma", "scleredema"),
        ("langerhans cell histiocytosis", "non_langerhans_cell_histiocytosis"),
        ("porphyria", "pseudoporphyria"),
    ],
)
def test_look_alike_words_do_not_agree(label: str, folder: str) -> None:
    assert judged(*GOOD, (label, f"http://x/{folder}/1.jpg"))["12"][0] == "another_name"


def test_folders_that_name_no_diagnoses_are_left_alone() -> None:
    labels = ["psoriasis", "eczema"] * 10
    result = compare(map(str, range(20)), labels, [f"scanner/{n}.jpg" for n in range(20)])
    assert result.left_out
    assert result.rows.empty
    assert summary({"path": result}) == ["path: does not name diagnoses; left out"]
    assert compare(["a"], ["psoriasis"], [""]).rows.empty  # empty everywhere: nobody's fault


def test_captions_are_only_asked_about_other_labels() -> None:
    captions = [
        "Lichen planus of the wrist",
        "Well-defined plaques of psoriasis, not lichen planus",
        "A 60-year-old man with weight loss",
        "",
    ]
    labels = ["psoriasis", "psoriasis", "psoriasis", "lichen planus"]
    rows = compare("abcd", labels, captions, prose=True).rows
    assert rows[["id", "kind", "suggested"]].to_numpy().tolist() == [
        ["a", "another_label", "lichen planus"],
        ["d", "no_provenance", ""],
    ]


@settings(deadline=None)
@given(st.lists(st.tuples(st.text(max_size=8), st.text(max_size=30)), max_size=8))
def test_wild_cells_are_judged_too(rows: list[tuple[str, str]]) -> None:
    labels, cells = [label for label, _ in rows], [cell for _, cell in rows]
    found = compare(map(str, range(len(rows))), labels, cells).rows
    assert set(found["kind"]) <= set(KINDS)
    assert set(found["label"]).isdisjoint({""})


def test_names_in_urls_and_paths() -> None:
    assert name_in("https://x.org/p/c/Discoid_LE/discoid_le56.jpg?a=1") == "Discoid_LE"
    assert name_in("C:\\photos\\psoriasis\\1.jpg") == "psoriasis"
    assert name_in("http://[broken") == ""
    assert words_of("Darier's disease") == words_of("dariers_disease")


@pytest.fixture(scope="module")
def real(shared_data: Path) -> tuple[pd.DataFrame, Provenance]:
    table = pd.read_csv(
        shared_data / "fitzpatrick17k" / "fitzpatrick17k.csv", dtype=str, keep_default_na=False
    )
    return table, compare(table["md5hash"], table["label"], table["url"])


@pytest.mark.real
class TestFitzpatrick17k:
    """The real table, with what was counted in it by other means."""

    def rows(self, real: tuple[pd.DataFrame, Provenance], folder: str) -> pd.DataFrame:
        return real[1].rows[real[1].rows["evidence"].str.contains(f"/{folder}/", regex=False)]

    def test_glucagonoma_syndrome_under_telangiectases(self, real: tuple[pd.DataFrame, Provenance]) -> None:
        rows = self.rows(real, "glucagonoma_syndrome")
        assert set(rows["id"]) == NME_FOLDER
        assert len(rows) == 11
        assert set(rows["label"]) == {"telangiectases"}
        assert set(rows["suggested"]) == {"glucagonoma syndrome"}  # what stands there, not a diagnosis

    def test_subacute_lupus_under_another_label(self, real: tuple[pd.DataFrame, Provenance]) -> None:
        rows = self.rows(real, "subacute-cutaneous-lupus-erythematosus")
        assert len(rows) == 70
        assert set(rows["label"]) == {"lupus erythematosus"}
        assert set(rows["suggested"]) == {"lupus subacute"}

    def test_discoid_lupus_under_sarcoidosis(self, real: tuple[pd.DataFrame, Provenance]) -> None:
        rows = self.rows(real, "discoid_le")
        assert len(rows) == 99
        assert set(rows["label"]) == {"sarcoidosis"}
        assert set(rows["suggested"]) == {"lupus erythematosus"}

    def test_rows_without_url(self, real: tuple[pd.DataFrame, Provenance]) -> None:
        table, result = real
        rows = result.rows[result.rows["kind"] == "no_provenance"]
        assert set(rows["id"]) == set(table["md5hash"][table["url"] == ""])
        assert len(rows) == 41

    def test_how_many_in_all(self, real: tuple[pd.DataFrame, Provenance]) -> None:
        _, result = real
        counts = result.rows["kind"].value_counts().to_dict()
        assert counts == {"another_label": 381, "another_name": 1333, "finer_label": 59, "no_provenance": 41}
        assert result.silent == 3905  # the host whose URLs are numbers
        assert result.agree + len(result.rows) + result.silent == 16577
