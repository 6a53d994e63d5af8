"""Manifests: what a table says is kept to the letter, and everything wrong with it is told at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nmevision.errors import DataError
from nmevision.manifest import Manifest, manifest_of, read_manifest
from nmevision.manifest_checks import COLUMNS, Purpose
from nmevision.taxonomy import taxonomy_from

TAXONOMY = taxonomy_from(
    {
        "name": "small",
        "groups": [{"key": "g", "name": "g"}],
        "diagnoses": [
            {"key": "nme", "name": "necrolytic migratory erythema", "group": "g"},
            {"key": "psoriasis", "name": "psoriasis", "group": "g", "labels": ["PsO"]},
        ],
        "exclude": {"unclear": "nobody knows"},
    },
    "test",
)


def text(folder: Path, content: str, encoding: str = "utf-8") -> Path:
    path = folder / "m.csv"
    path.write_bytes(content.encode(encoding))
    return path


def problems(path: Path, purpose: Purpose = "predict", **options: Any) -> list[str]:
    with pytest.raises(DataError) as caught:
        read_manifest(path, purpose=purpose, **options)
    heading, *lines = str(caught.value).splitlines()
    assert heading.startswith(f"{path}: {len(lines)} problem")
    return [line.removeprefix("  - ") for line in lines]


@pytest.fixture
def images(tmp_path: Path) -> Path:
    for name in ("a.jpg", "b.jpg", "c.jpg", "d.jpg"):
        (tmp_path / name).touch()
    return tmp_path


class TestReading:
    def test_ids_are_text(self, tmp_path: Path) -> None:
        manifest = read_manifest(
            text(tmp_path, "id,path,patient_id\n007,a.jpg,01\n1e5,b.jpg,NA\nnull,c.jpg,1.0\n")
        )
        assert manifest.frame["id"].tolist() == ["007", "1e5", "null"]
        assert manifest.frame["patient_id"].tolist() == ["01", "NA", "1.0"]

    def test_the_path_is_the_id_where_none_is_given(self, tmp_path: Path) -> None:
        assert read_manifest(text(tmp_path, "path\nx/a.jpg\n")).frame["id"].tolist() == ["x/a.jpg"]

    def test_a_byte_order_mark_and_spaces(self, tmp_path: Path) -> None:
        path = text(tmp_path, '"id " , path,diagnosis \n 1 ,a b .jpg , PsO\n', "utf-8-sig")
        frame = read_manifest(path).frame
        assert frame.loc[0, ["id", "path", "diagnosis"]].tolist() == ["1", "a b .jpg ", "PsO"]

    def test_a_spreadsheets_empty_columns_and_line_ends(self, tmp_path: Path) -> None:
        frame = read_manifest(text(tmp_path, "path,diagnosis,,\r\na.jpg,nme,,\r\nb.jpg,,,\r\n")).frame
        assert list(frame.columns) == list(COLUMNS)
        assert frame["diagnosis"].tolist() == ["nme", ""]

    def test_the_users_own_columns_stay(self, tmp_path: Path) -> None:
        frame = read_manifest(text(tmp_path, "age,path,finding_pallor\n61,a.jpg,\n,b.jpg,3\n")).frame
        assert frame["age"].tolist() == ["61", ""]
        assert frame["finding_pallor"].tolist() == ["", "3"]
        assert set(COLUMNS) <= set(frame.columns)

    def test_parquet_says_the_same_as_csv(self, tmp_path: Path) -> None:
        frame = pd.DataFrame(
            {
                "id": [7, 8, 9],
                "path": ["a.jpg", "b.jpg", "c.jpg"],
                "patient_id": [7.0, np.nan, 8.0],
                "mpp": np.array([0.5, np.nan, 1.0], np.float32),
                "phantom": [True, False, True],
                "diagnosis": pd.Categorical(["nme", None, "PsO"]),
                "finding_pallor": pd.array([1, None, 3], dtype="Int64"),
            }
        )
        frame.to_parquet(tmp_path / "m.parquet", index=False)
        csv = "id,path,patient_id,mpp,phantom,diagnosis,finding_pallor\n"
        csv += "7,a.jpg,7,0.5,True,nme,1\n8,b.jpg,,,False,,\n9,c.jpg,8,1,True,PsO,3\n"
        one, other = read_manifest(tmp_path / "m.parquet"), read_manifest(text(tmp_path, csv))
        pd.testing.assert_frame_equal(one.frame, other.frame)
        assert one.fingerprint == other.fingerprint
        assert one.phantom.tolist() == [True, False, True]

    def test_parquet_ids_of_any_type(self, tmp_path: Path) -> None:
        for ids in ([7.0, 8.0], np.array([7, 8], np.float32), [7, 8], ["7", "8"]):
            pd.DataFrame({"id": ids, "path": ["a", "b"]}).to_parquet(tmp_path / "m.parquet")
            assert read_manifest(tmp_path / "m.parquet").frame["id"].tolist() == ["7", "8"]

    def test_parquet_of_some_rows_of_a_larger_table(self, tmp_path: Path) -> None:
        frame = pd.DataFrame({"id": list("abcd"), "path": list("abcd"), "split": ["", "train", "", "trian"]})
        frame[frame["id"] > "b"].to_parquet(tmp_path / "m.parquet")
        assert problems(tmp_path / "m.parquet")[0].startswith("row 3: unknown split 'trian'")
        frame[1:3].to_parquet(tmp_path / "m.parquet")
        assert read_manifest(tmp_path / "m.parquet").frame.index.tolist() == [0, 1]

    def test_parquet_with_the_ids_as_index(self, tmp_path: Path) -> None:
        pd.DataFrame({"id": ["x"], "path": ["a.jpg"]}).set_index("id").to_parquet(tmp_path / "m.parquet")
        assert read_manifest(tmp_path / "m.parquet").frame["id"].tolist() == ["x"]

    def test_samples_and_root(self, tmp_path: Path) -> None:
        absolute = (tmp_path / "elsewhere.jpg").as_posix()
        path = text(tmp_path, f"path,diagnosis,patient_id\na.jpg,nme,p\n{absolute},,\n")
        first, second = read_manifest(path).samples()
        assert (first.path, first.label, first.patient_id) == (tmp_path / "a.jpg", "nme", "p")
        assert (second.path, second.label) == (Path(absolute), "")
        assert next(read_manifest(path, root=Path("r")).samples()).path == Path("r/a.jpg")

    def test_cases(self, tmp_path: Path) -> None:
        cases = read_manifest(text(tmp_path, "path,patient_id\na,p\nb,\nc,p\nd,\n")).cases
        assert cases[0] == cases[2]
        assert cases.nunique() == 3

    def test_diagnoses_and_labelled(self, tmp_path: Path) -> None:
        path = text(tmp_path, "path,diagnosis\na,pso\nb,\nc,Unclear\nd,NME\n")
        manifest = read_manifest(path, taxonomy=TAXONOMY)
        assert manifest.diagnoses(TAXONOMY).tolist() == ["psoriasis", "", "", "nme"]
        assert manifest.labelled(TAXONOMY).frame["id"].tolist() == ["a", "d"]
        assert manifest.labelled(TAXONOMY).frame.index.tolist() == [0, 1]

    def test_the_suffix_in_capitals(self, tmp_path: Path) -> None:
        (tmp_path / "M.CSV").write_text("path\na.jpg\n")
        assert len(read_manifest(tmp_path / "M.CSV")) == 1


class TestUnreadable:
    def test_missing(self, tmp_path: Path) -> None:
        for name in ("m.csv", "m.parquet"):
            with pytest.raises(DataError, match="no such manifest"):
                read_manifest(tmp_path / name)

    def test_another_kind(self, tmp_path: Path) -> None:
        (tmp_path / "m.xlsx").touch()
        with pytest.raises(DataError, match=r"expected a \.csv or \.parquet manifest, found '\.xlsx'"):
            read_manifest(tmp_path / "m.xlsx")

    def test_empty(self, tmp_path: Path) -> None:
        for name in ("m.csv", "m.parquet"):
            (tmp_path / name).touch()
            with pytest.raises(DataError, match="cannot be read as"):
                read_manifest(tmp_path / name)

    def test_a_folder(self, tmp_path: Path) -> None:
        (tmp_path / "m.csv").mkdir()
        with pytest.raises(DataError, match="cannot be read as csv"):
            read_manifest(tmp_path / "m.csv")

    def test_another_encoding(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="cannot be read as csv"):
            read_manifest(text(tmp_path, "path\nhaut_ä.jpg\n", "latin-1"))

    def test_a_row_with_a_cell_too_many_shifts_nothing(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="Expected 2 fields in line 2, saw 3"):
            read_manifest(text(tmp_path, "id,path\n1,a.jpg,\n"))


class TestProblems:
    def test_all_are_told_with_their_rows(self, images: Path) -> None:
        rows = [
            "id,path,modality,diagnosis,patient_id,licence,split,mpp,phantom,finding_pallor,duplicate_group",
            "1,a.jpg,histology,nme,p,CC0-1.0,train,0.5,,0,g",
            "1,gone.jpg,histolgy,psoriassis,p,all rights reserved,test,0,maybe,4,",
            ",b.jpg,clinical,NME,,some licence,trian,x,no,1.5,g",
            "4,,,unclear,q,,val,1e9,true,,g",
            "5,c.jpg,,,,,,,,,",
        ]
        found = problems(text(images, "\n".join(rows) + "\n"), "train", taxonomy=TAXONOMY)
        expected = [
            "row 3: id '1' stands in row 2 already",
            "row 4: id is empty",
            f"row 3: no file 'gone.jpg' under {images}",
            "row 5: path is empty",
            "row 3: unknown modality 'histolgy' (did you mean 'histology'?); expected clinical or histology",
            "row 4: unknown split 'trian' (did you mean 'train'?); expected train or val or test",
            "row 3: phantom 'maybe'; expected true or false",
            "row 3: mpp '0'; expected 0.05 to 50.0 micrometres per pixel",
            "row 4: mpp 'x'; expected 0.05 to 50.0 micrometres per pixel",
            "row 5: mpp '1e9'; expected 0.05 to 50.0 micrometres per pixel",
            "row 3: finding_pallor '4'; expected a grade 0, 1, 2 or 3, or empty",
            "row 4: finding_pallor '1.5'; expected a grade 0, 1, 2 or 3, or empty",
            "patient_id 'p' is in more than one split (test, train): row 2, row 3",
            "duplicate_group 'g' is in more than one split (train, trian, val): row 2, row 4, row 5",
            "row 3: unknown label 'psoriassis' (did you mean 'psoriasis'?); taxonomy 'small' knows: nme, psoriasis",
            "row 3: licence 'all rights reserved' forbids training (all rights reserved); leave the rows out",
        ]
        assert set(expected) <= set(found)
        (licence,) = set(found) - set(expected)
        assert licence.startswith("row 4: licence 'some licence' is not known here; ")

    @pytest.mark.parametrize("mpp", ["0", "-1", "nan", "inf", "x", "1e9", "0.001", "0,5"])
    def test_an_impossible_resolution(self, tmp_path: Path, mpp: str) -> None:
        (line,) = problems(text(tmp_path, f'path,mpp\na,0.25\nb,"{mpp}"\n'))
        assert line.startswith(f"row 3: mpp '{mpp}'")

    @pytest.mark.parametrize("grade", ["4", "-1", "1.5", "nan", "high"])
    def test_an_impossible_grade(self, tmp_path: Path, grade: str) -> None:
        (line,) = problems(text(tmp_path, f"path,finding_x\na,{grade}\n"))
        assert line.startswith(f"row 2: finding_x '{grade}'")

    @pytest.mark.parametrize(
        ("name", "meant"),
        [
            ("patientid", "patient_id"), ("Patient ID", "patient_id"), ("patient", "patient_id"),
            ("subject_id", "patient_id"), ("license", "licence"), ("ID", "id"), ("Diagnosis", "diagnosis"),
            ("diagnosys", "diagnosis"), ("sorce", "source"), ("spilt", "split"), ("duplicategroup", "duplicate_group"), ("MPP", "mpp"),
        ],
    )  # fmt: skip
    def test_a_misspelt_column(self, tmp_path: Path, name: str, meant: str) -> None:
        (line,) = problems(text(tmp_path, f"path,{name}\na,1\n"))
        assert line == f"column '{name}' is unknown (did you mean '{meant}'?); rename it, or leave it out"

    @pytest.mark.parametrize(
        "name", ["age", "sex", "site", "note", "image_path", "scanner", "stain", "group"]
    )
    def test_a_column_of_the_users_own(self, tmp_path: Path, name: str) -> None:
        assert name in read_manifest(text(tmp_path, f"path,{name}\na,1\n")).frame

    def test_beside_patient_id_a_patient_column_is_the_users_own(self, tmp_path: Path) -> None:
        assert len(read_manifest(text(tmp_path, "path,patient_id,patient\na,1,x\n"))) == 1

    def test_a_column_twice(self, tmp_path: Path) -> None:
        for header in ("path,path", "path, path "):
            assert problems(text(tmp_path, header + "\na,b\n")) == ["column 'path' stands twice"]

    def test_missing_columns(self, tmp_path: Path) -> None:
        path = text(tmp_path, "file,age\na,1\n")
        assert problems(path) == ["column 'path' is missing; found: file, age"]
        assert len(problems(path, "train")) == 2
        assert "column 'diagnosis' is missing" in problems(path, "evaluate")[0]
        assert "a column 'id' or 'path' is needed" in problems(path, "evaluate")[1]

    def test_no_rows(self, tmp_path: Path) -> None:
        assert problems(text(tmp_path, "id,path\n")) == ["no rows; expected at least one sample"]


class TestPurpose:
    def test_predict_wants_paths_only(self, tmp_path: Path) -> None:
        manifest = read_manifest(
            text(tmp_path, "path,diagnosis,licence\ngone.jpg,,all rights reserved\nb.jpg,what,\n"),
            purpose="predict",
            taxonomy=TAXONOMY,
        )
        assert len(manifest) == 2  # a missing file becomes a row of the predictions

    def test_evaluate_wants_no_images(self, tmp_path: Path) -> None:
        path = text(tmp_path, "id,diagnosis,licence\n1,nme,proprietary\n")
        manifest = read_manifest(path, purpose="evaluate", taxonomy=TAXONOMY)
        manifest.write(tmp_path / "again.csv")
        again = read_manifest(tmp_path / "again.csv", purpose="evaluate", taxonomy=TAXONOMY)
        assert again.fingerprint == manifest.fingerprint

    def test_train_takes_unlabelled_excluded_and_unstated(self, images: Path) -> None:
        path = text(images, "path,diagnosis,licence\na.jpg,nme,own\nb.jpg,,\nc.jpg,unclear,CC-BY-4.0\n")
        assert len(read_manifest(path, purpose="train", taxonomy=TAXONOMY)) == 3


CELLS = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",), exclude_characters="\0"), max_size=8)


class TestWriting:
    def manifest(self, folder: Path) -> Manifest:
        content = 'id,path,modality,own,finding_x\n1,"a,\n b.jpg ",,"say ""x""",\n2,ü.jpg,,,2\n'
        return read_manifest(text(folder, content))

    @pytest.mark.parametrize("name", ["w.csv", "w.parquet", "deep/w.csv"])
    def test_it_reads_back_the_same(self, tmp_path: Path, name: str) -> None:
        manifest = self.manifest(tmp_path)
        manifest.write(tmp_path / name)
        again = read_manifest(tmp_path / name)
        pd.testing.assert_frame_equal(again.frame, manifest.frame)
        assert again.fingerprint == manifest.fingerprint

    def test_empty_columns_are_left_out(self, tmp_path: Path) -> None:
        self.manifest(tmp_path).write(tmp_path / "w.csv")
        header = (tmp_path / "w.csv").read_text(encoding="utf-8").splitlines()[0]
        assert header == "id,path,own,finding_x"

    @settings(max_examples=30, deadline=None)
    @given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=4))
    def test_any_cell_reads_back(
        self, tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]
    ) -> None:
        folder = tmp_path_factory.mktemp("m")
        made = [{"id": str(n), "path": "p" + path, "own": own.strip()} for n, (path, own) in enumerate(rows)]
        manifest = manifest_of(made, folder)
        for name in ("w.csv", "w.parquet"):
            manifest.write(folder / name)
            again = read_manifest(folder / name)
            assert [row[:2] for row in again.frame[["path", "id"]].itertuples(index=False)] == [
                (row["path"], row["id"]) for row in made
            ]
            assert again.fingerprint == manifest.fingerprint

    def test_the_fingerprint_tells_tables_apart(self, tmp_path: Path) -> None:
        first = read_manifest(text(tmp_path, "path,diagnosis\na,nme\nb,\n")).fingerprint
        assert len(first) == 64
        assert read_manifest(text(tmp_path, "path,diagnosis\na,nme\nb,nme\n")).fingerprint != first
        assert read_manifest(text(tmp_path, "path,diagnosis\nb,\na,nme\n")).fingerprint != first
        assert read_manifest(text(tmp_path, "diagnosis,path,split\nnme,a,\n,b,\n")).fingerprint == first

    def test_rows_made_by_code(self, tmp_path: Path) -> None:
        manifest = manifest_of([{"id": "1", "path": "a"}, {"id": "2", "path": "b", "source": "s"}], tmp_path)
        assert manifest.frame["source"].tolist() == ["", "s"]
        assert list(manifest.frame.columns[: len(COLUMNS)]) == list(COLUMNS)
        assert len(manifest_of([], tmp_path)) == 0


@pytest.mark.slow
@pytest.mark.parametrize("good", [True, False])
def test_a_hundred_thousand_rows_are_judged(tmp_path: Path, good: bool) -> None:
    n = np.arange(100_000)
    split = np.array(["train", "val", "test"])
    frame = pd.DataFrame(
        {
            "id": n.astype(str) if good else "same",
            "path": n.astype(str),
            "modality": "histology" if good else "histolgy",
            "diagnosis": np.where(n % 2, "nme", "pso" if good else "psso"),
            "patient_id": (n // 3).astype(str),
            "duplicate_group": (n // 3).astype(str),
            "split": split[(n // 3) % 3] if good else split[n % 3],
            "mpp": "0.5" if good else "x",
            "finding_x": "2",
        }
    )
    frame.to_csv(tmp_path / "m.csv", index=False)
    if good:
        assert len(read_manifest(tmp_path / "m.csv", purpose="evaluate", taxonomy=TAXONOMY)) == 100_000
    else:
        with pytest.raises(DataError, match=r"more$"):
            read_manifest(tmp_path / "m.csv", purpose="evaluate", taxonomy=TAXONOMY)
