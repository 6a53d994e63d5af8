"""Public sets in miniature: a folder laid out as each set documents becomes the rows it should, odd ones included."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nmevision.data.sources import SOURCES, describe_sources, index_csv, index_slides, index_source, skincon
from nmevision.errors import DataError
from nmevision.knowledge.loading import load_knowledge
from nmevision.manifest import Manifest, read_manifest
from nmevision.taxonomy import load_taxonomy

TAXONOMIES = Path(__file__).resolve().parents[3] / "configs" / "taxonomies"
FULL = load_taxonomy(TAXONOMIES / "necrolytic-and-mimics.yaml")
ATLAS = "https://www.dermaamin.com/site/images/clinical-pic"


def touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"\xff\xd8\xff")


def table(path: Path, *lines: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def index(name: str, folder: Path, notes: list[str] | None = None, **options: object) -> Manifest:
    told = [] if notes is None else notes
    return index_source(name, folder, note=told.append, allow_nc=True, **options)  # type: ignore[arg-type]


def cells(manifest: Manifest, *columns: str) -> list[tuple[str, ...]]:
    return list(manifest.frame[list(columns)].itertuples(index=False, name=None))


def refused(name: str, folder: Path) -> str:
    with pytest.raises(DataError) as caught:
        index(name, folder)
    return str(caught.value)


def test_fitzpatrick17k_c_keeps_its_parts_and_distrusts_the_same_rows(tmp_path: Path) -> None:
    table(
        tmp_path / "Fitzpatrick17k-C.csv",
        "filepath,filename,diag,fst,partition,md5hash,fitzpatrick,label,qc,url",
        f"x/a1.jpg,a1,ps,3,train,a1,3,psoriasis,,{ATLAS}/p/psoriasis/psoriasis1.jpg",
        f"x/a2.jpg,a2,ps,6,valid,a2,6,psoriasis,,{ATLAS}/p/psoriasis/psoriasis2.jpg",
        f"x/a3.jpg,a3,te,-1,test,a3,-1,telangiectases,,{ATLAS}/g/glucagonoma_syndrome/glucagonoma_syndrome1.jpg",
    )
    touch(tmp_path, "a1.jpg", "a2.jpg", "data/a3.jpg")
    manifest = index("fitzpatrick17k_c", tmp_path)
    assert cells(manifest, "id", "split", "skin_tone") == [
        ("a1", "train", "3"),
        ("a2", "val", "6"),
        ("a3", "test", ""),
    ]
    assert list(manifest.labelled(FULL).frame["id"]) == ["a1", "a2"]
    assert set(manifest.frame["redistribute_allowed"]) == {"false"}  # the photographs are the atlases'


def test_fitzpatrick17k_c_is_not_the_smaller_table_beside_it(tmp_path: Path) -> None:
    name = "SimThresh_T_A2_T_0.99_0.70_FC_T_All_Out_T_OutThresh_None_0FST_F.csv"
    table(tmp_path / name, "md5hash,fitzpatrick,label,qc,url,partition", "a1,3,psoriasis,,,train")
    touch(tmp_path, "a1.jpg")
    assert f"found: {name}, a1.jpg" in refused("fitzpatrick17k_c", tmp_path)


def test_ddi(tmp_path: Path) -> None:
    table(
        tmp_path / "ddi_metadata.csv",
        ",DDI_ID,DDI_file,skin_tone,malignant,disease",
        "0,1,000001.png,56,True,melanoma-in-situ",
        "1,2,000002.png,12,False,eczema-spongiotic-dermatitis",
        "2,3,000003.png,34,False,tinea-pedis",
    )
    touch(tmp_path, *[f"images/00000{n}.png" for n in (1, 2, 3)])
    manifest = index("ddi", tmp_path)
    assert cells(manifest, "id", "skin_tone") == [("000001", "5-6"), ("000002", "1-2"), ("000003", "3-4")]
    assert manifest.diagnoses(FULL).tolist() == ["", "eczema", "tinea"]
    assert set(manifest.frame["redistribute_allowed"]) == {"false"}


def scin(folder: Path) -> None:
    table(
        folder / "dataset" / "scin_cases.csv",
        "case_id,age_group,sex_at_birth,image_1_path,image_2_path,image_1_shot_type,body_parts_ARM,body_parts_LEG",
        "1,AGE_18_TO_29,FEMALE,dataset/images/11.png,dataset/images/12.png,CLOSE_UP,YES,YES",
        "2,AGE_80_OR_ABOVE,MALE,dataset/images/21.png,,AT_DISTANCE,,",
        "3,,,dataset/images/31.png,,,,",
    )
    table(
        folder / "dataset" / "scin_labels.csv",
        "case_id,dermatologist_fitzpatrick_skin_type_label_1,dermatologist_fitzpatrick_skin_type_label_2,"
        "dermatologist_fitzpatrick_skin_type_label_3,weighted_skin_condition_label",
        "1,FST2,FST4,FST3,\"{'Psoriasis': 0.33, 'Eczema': 0.67}\"",
        "2,,,,\"{'Psoriasis': 0.5, 'Tinea': 0.5}\"",
        "3,FST5,,,{}",
    )
    touch(folder, *[f"dataset/images/{n}.png" for n in (11, 12, 21, 31)])


def test_scin_takes_the_heaviest_label_and_none_where_two_weigh_the_same(tmp_path: Path) -> None:
    scin(tmp_path)
    manifest = index("scin", tmp_path)
    assert cells(
        manifest, "id", "patient_id", "diagnosis", "label_weight", "skin_tone", "age_group", "site"
    ) == [
        ("1-1", "1", "Eczema", "0.67", "3", "18-29", "arm leg"),
        ("1-2", "1", "Eczema", "0.67", "3", "18-29", "arm leg"),
        ("2-1", "2", "", "", "", "80_or_above", ""),
        ("3-1", "3", "", "", "5", "", ""),
    ]
    assert index_source("scin", tmp_path, note=lambda _: None)  # its licence asks for no further word


def test_scin_tells_what_both_tables_lack(tmp_path: Path) -> None:
    scin(tmp_path)
    table(tmp_path / "dataset" / "scin_cases.csv", "case,image_1_path", "1,a")
    table(tmp_path / "dataset" / "scin_labels.csv", "case_id,label", "1,a")
    said = refused("scin", tmp_path)
    assert "tables: 2 problems" in said
    assert "the columns case_id are missing" in said
    assert "the columns weighted_skin_condition_label are missing" in said


def test_scin_label_that_is_no_mapping(tmp_path: Path) -> None:
    scin(tmp_path)
    table(
        tmp_path / "dataset" / "scin_labels.csv",
        "case_id,weighted_skin_condition_label",
        "1,__import__('os')",
    )
    assert "case 1: weighted_skin_condition_label" in refused("scin", tmp_path)


def test_pad_ufes_20_and_its_own_spellings(tmp_path: Path) -> None:
    head = "patient_id,lesion_id,age,gender,fitspatrick,region,diagnostic,img_id,biopsed"
    table(
        tmp_path / "metadata.csv",
        head,
        "PAT_46,881,55,FEMALE,3.0,NECK,BCC,PAT_46_881_14.png,True",
        "PAT_9,12,8,,,ARM,NEV,PAT_9_12_1.png,False",
    )
    touch(tmp_path, "imgs_part_1/imgs_part_1/PAT_46_881_14.png", "imgs_part_3/PAT_9_12_1.png")
    manifest = index("pad_ufes_20", tmp_path)
    assert cells(manifest, "id", "patient_id", "lesion_id", "skin_tone", "sex", "train_allowed") == [
        ("PAT_46_881_14", "PAT_46", "PAT_46-881", "3", "female", "true"),
        ("PAT_9_12_1", "PAT_9", "PAT_9-12", "", "", "true"),
    ]


def test_an_unknown_label_of_a_known_list_is_told_with_the_nearest(tmp_path: Path) -> None:
    head = "patient_id,lesion_id,age,gender,fitspatrick,region,diagnostic,img_id,biopsed"
    rows = [
        f"PAT_{n},1,,,,,{label},PAT_{n}_1_1.png," for n, label in enumerate(("BCCC", "BCCC", "XYZ", "NEV"))
    ]
    table(tmp_path / "metadata.csv", head, *rows)
    touch(tmp_path, *[f"PAT_{n}_1_1.png" for n in range(4)])
    said = refused("pad_ufes_20", tmp_path)
    assert "2 problems" in said
    assert "unknown label 'BCCC' in 2 rows (did you mean 'BCC'?)" in said
    assert "unknown label 'XYZ' in 1 rows" in said


def test_derm7pt_pairs_stand_in_the_authors_parts(tmp_path: Path) -> None:
    table(
        tmp_path / "meta" / "meta.csv",
        "case_num,diagnosis,clinic,derm,sex,location",
        "1,blue nevus,NEL/Nel026.jpg,NEL/NEL027.jpg,female,back",
        "9,melanoma (in situ),Aal/Aal010.jpg,Aal/Aal011.jpg,male,acral",
    )
    table(tmp_path / "meta" / "train_indexes.csv", "indexes", "1")
    table(tmp_path / "meta" / "valid_indexes.csv", "indexes")
    table(tmp_path / "meta" / "test_indexes.csv", "indexes", "0")
    touch(tmp_path, "images/NEL/NEL026.JPG", "images/NEL/NEL027.jpg", "images/Aal/Aal010.jpg")
    notes: list[str] = []
    manifest = index("derm7pt", tmp_path, notes)
    assert cells(manifest, "id", "patient_id", "split", "view", "path") == [
        ("1-clinic", "1", "test", "clinic", "images/NEL/NEL026.JPG"),
        ("1-derm", "1", "test", "derm", "images/NEL/NEL027.jpg"),
        ("9-clinic", "9", "train", "clinic", "images/Aal/Aal010.jpg"),
    ]
    assert "derm7pt: rows left out because their images are not there: 1 of 4" in notes


def test_sd198_folder_names_are_labels(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "images/Guttate_Psoriasis/1.jpg",
        "images/Nail_Psoriasis/1.jpg",
        "images/Acne/1.jpg",
        "images/x.jpg",
    )
    notes: list[str] = []
    manifest = index("sd198", tmp_path, notes, taxonomy=FULL)
    assert cells(manifest, "diagnosis", "path") == [
        ("Guttate_Psoriasis", "images/Guttate_Psoriasis/1.jpg"),
        ("Nail_Psoriasis", "images/Nail_Psoriasis/1.jpg"),
    ]
    assert list(manifest.labelled(FULL).frame["diagnosis"]) == ["Guttate_Psoriasis"]
    assert any("a nail, not skin" in note for note in notes)
    assert any("images/x.jpg" in note for note in notes)


def test_passion_by_subject_with_its_parts(tmp_path: Path) -> None:
    table(
        tmp_path / "label.csv",
        "subject_id,country,age,sex,fitzpatrick,body_loc,impetig,conditions_PASSION",
        "AA00970002,Tanzania,4,f,5,arm;leg,1.0,Eczema",
        "AA1,Malawi,9,m,6,hair,,Fungal",
    )
    table(tmp_path / "PASSION_split.csv", "subject_id,Split", "AA00970002,TRAIN", "AA1,TEST")
    touch(
        tmp_path,
        "images/AA00970002_1.jpg",
        "images/AA00970002_2.JPG",
        "images/AA1_1.jpeg",
        "images/ZZ9_1.jpg",
    )
    notes: list[str] = []
    manifest = index("passion", tmp_path, notes, taxonomy=FULL)
    assert cells(manifest, "id", "patient_id", "split", "skin_tone", "impetiginised") == [
        ("AA00970002_1", "AA00970002", "train", "5", "yes"),
        ("AA00970002_2", "AA00970002", "train", "5", "yes"),
    ]
    assert any("1 'Fungal' (tinea, candidiasis" in note for note in notes)
    assert any("ZZ9_1.jpg" in note for note in notes)


def test_dermnet_may_be_evaluated_on_and_never_trained_on(tmp_path: Path) -> None:
    touch(tmp_path, "train/Eczema Photos/a.jpg", "test/Systemic Disease/b.jpg")
    manifest = index("dermnet", tmp_path, taxonomy=FULL)
    assert cells(manifest, "diagnosis", "native_split", "train_allowed") == [
        ("Systemic Disease", "test", "false"),
        ("Eczema Photos", "train", "false"),
    ]
    path = tmp_path / "manifest.csv"
    manifest.write(path)
    assert len(read_manifest(path, purpose="evaluate", taxonomy=FULL)) == 2
    with pytest.raises(DataError) as caught:
        read_manifest(path, purpose="train", taxonomy=FULL, allow_nc=True)
    assert "row 2 and 1 more: licence 'all rights reserved (Dermnet)' forbids training" in str(caught.value)


def test_dermnet_folder_that_is_misspelt(tmp_path: Path) -> None:
    touch(tmp_path, "train/Eczema Photo/a.jpg")
    assert "unknown label 'Eczema Photo' in 1 rows (did you mean 'Eczema Photos'?)" in refused(
        "dermnet", tmp_path
    )


def test_isic_rows_carry_their_own_licence(tmp_path: Path) -> None:
    table(
        tmp_path / "metadata.csv",
        "isic_id,attribution,copyright_license,age_approx,sex,diagnosis_1,diagnosis_3,lesion_id,patient_id",
        "ISIC_1,A clinic,CC-0,60,male,Benign,Nevus,IL_1,IP_1",
        "ISIC_2,A clinic,CC-BY-NC,45,female,Malignant,,IL_2,",
    )
    touch(tmp_path, "ISIC_1.jpg", "ISIC_2.jpg")
    manifest = index("isic", tmp_path)
    assert cells(manifest, "licence", "diagnosis", "patient_id", "lesion_id") == [
        ("CC-0", "Nevus", "IP_1", "IL_1"),
        ("CC-BY-NC", "Malignant", "IL_2", "IL_2"),
    ]
    with pytest.raises(DataError, match=r"1 rows are under 'CC-BY-NC'"):
        index_source("isic", tmp_path, note=lambda _: None)


def skincon_copy(folder: Path, *marks: str) -> None:
    concepts = [*skincon.CONCEPTS, "Bulla"]
    head = ",ImageID," + ",".join(concepts) + ",Do not consider this image"
    table(folder / "annotations_fitzpatrick17k.csv", head, *marks)
    touch(folder, "a1.jpg", "a2.jpg")


def test_skincon_findings_join_the_rows_of_the_images_own_set(tmp_path: Path) -> None:
    zeros = ",".join("0" * (len(skincon.CONCEPTS) - 1))
    skincon_copy(tmp_path, f"0,a1.jpg,1,{zeros},1,0", f"1,a2.jpg,0,{zeros},0,1")
    table(
        tmp_path / "fitzpatrick17k.csv",
        "md5hash,fitzpatrick_scale,label,qc,url",
        f"a1,4,psoriasis,,{ATLAS}/p/psoriasis/psoriasis1.jpg",
        f"a2,4,eczema,,{ATLAS}/e/eczema/eczema1.jpg",
    )
    notes: list[str] = []
    manifest = index("skincon", tmp_path, notes)
    assert cells(
        manifest, "id", "diagnosis", "skin_tone", "image_set", "finding_erythema", "finding_plaque"
    ) == [("a1", "psoriasis", "4", "fitzpatrick17k", "2", "0")]
    assert "finding_flaccid_bulla" not in manifest.frame
    assert "skincon: rows left out: 1 (marked 'Do not consider this image')" in notes
    manifest.write(tmp_path / "m.csv")
    back = read_manifest(tmp_path / "m.csv").frame  # which judges the grades
    assert (back["finding_erythema"].tolist(), back["finding_crust"].tolist()) == (["2"], ["0"])


def test_skincon_concepts_are_findings_that_the_knowledge_names_so() -> None:
    findings = {finding.key: finding for finding in load_knowledge().findings.values()}
    for concept, key in skincon.CONCEPTS.items():
        assert findings[key].modality == "clinical"
        assert concept in findings[key].skincon


def test_histai_reads_codes_by_case_and_sets_glucagonoma_aside(tmp_path: Path) -> None:
    def record(case: int, code: str | None) -> dict[str, object]:
        where = f"histai/HISTAI-skin-b1/case_{case:05}"
        return {"case_mapping": where, "icd10": code, "age": 61, "gender": "f", "conclusion": "a\n b"}

    codes = ["L40.0", "L44.0", "L40, L20.9", "D13.7", None, "D22"]
    records = [record(n, code) for n, code in enumerate(codes)]
    records.append({"case_mapping": "histai/HISTAI-breast/case_00001", "icd10": "C50"})
    (tmp_path / "metadata.json").write_text(json.dumps(records))
    touch(tmp_path, *[f"HISTAI-skin-b1/case_{n:05}/slide_H&E_0.tiff" for n in range(6)])
    touch(
        tmp_path,
        "HISTAI-skin-b1/case_00000/slide_PAS_1.tiff",
        "HISTAI-skin-b1/case_00000/slide_H&E_2_x40.tiff",
    )
    notes: list[str] = []
    manifest = index("histai_skin", tmp_path, notes)
    found = {row[0]: row[1:] for row in cells(manifest, "id", "diagnosis", "native_label", "magnification")}
    base = "HISTAI-skin-b1/case_"
    assert found == {
        f"{base}00000/slide_H&E_0": ("psoriasis", "L40.0", "20x"),
        f"{base}00000/slide_H&E_2_x40": ("psoriasis", "L40.0", "40x"),
        f"{base}00001/slide_H&E_0": ("pityriasis_rubra_pilaris", "L44.0", "20x"),
        f"{base}00002/slide_H&E_0": ("", "L40 L20.9", "20x"),
        f"{base}00003/slide_H&E_0": ("glucagonoma", "D13.7", "20x"),
        f"{base}00004/slide_H&E_0": ("", "", "20x"),
        f"{base}00005/slide_H&E_0": ("", "D22", "20x"),
    }
    assert FULL.exclusion_of("glucagonoma")
    assert set(manifest.frame["conclusion"]) == {"a b"}
    assert "histai_skin: rows left out: 1 (stained with something else than H&E)" in notes


def test_histai_diagnoses_exist() -> None:
    from nmevision.data.sources import histai_skin

    assert set(histai_skin.CODES.values()) <= set(FULL.keys)


def test_spider_patches_stay_with_their_slide(tmp_path: Path) -> None:
    records = [
        {"slide_id": "s1", "image_name": "p1.png", "context_info": {"0_0": "c1.png"}, "class": "Epidermis", "split": "train"},
        {"slide_id": "s2", "image_name": "p2.png", "context_info": {}, "class": "Mercel cell carcinoma", "split": "test"},
    ]  # fmt: skip
    (tmp_path / "metadata.json").write_text(json.dumps(records))
    touch(tmp_path, "images/p1.png", "images/c1.png", "images/p2.png")
    manifest = index("spider_skin", tmp_path)
    assert cells(manifest, "id", "diagnosis", "patient_id", "split") == [
        ("p1", "Epidermis", "s1", "train"),
        ("p2", "Mercel cell carcinoma", "s2", "test"),
    ]


@pytest.mark.parametrize("content", ["{}", "[1]", "not json", '[{"slide_id": 1}]'])
def test_spider_metadata_of_another_shape(tmp_path: Path, content: str) -> None:
    (tmp_path / "metadata.json").write_text(content)
    touch(tmp_path, "images/p1.png")
    said = refused("spider_skin", tmp_path)
    assert "metadata.json: " in said
    assert "expected a list" in said or "cannot be read as JSON" in said or "are missing" in said


def test_heidata_tiles_by_slide(tmp_path: Path) -> None:
    tissue, tumour = "nontumor_skin_epidermis_epidermis", "tumor_skin_epithelial_bcc"
    table(
        tmp_path / "data" / "tiles-v2.csv",
        "file,class,set,malignicy",
        f"data/tiles/{tissue}/{tissue}_ws_44_1.jpg,{tissue},Train,nontumor",
        f"data/tiles/{tumour}/{tumour}_ws_44_2.jpg,{tumour},Test,tumor",
    )
    touch(tmp_path, f"data/tiles/{tissue}/{tissue}_ws_44_1.jpg", f"data/tiles/{tumour}/{tumour}_ws_44_2.tif")
    manifest = index("heidata_skin", tmp_path)
    assert cells(manifest, "diagnosis", "patient_id", "native_split") == [
        (tissue, "ws_44", "Train"),
        (tumour, "ws_44", "Test"),
    ]


def test_queensland_sections_know_their_masks(tmp_path: Path) -> None:
    touch(tmp_path, "data/5x/Images/IEC_12.tif", "data/5x/Masks/IEC_12.png", "data/10x/Images/IEC_12.tif")
    touch(tmp_path, "data/10x/Images/odd.tif", "data/MarginData/Images/IEC_12.tif")
    manifest = index("queensland_nmsc", tmp_path)
    assert cells(manifest, "id", "diagnosis", "patient_id", "mask") == [
        ("10x-IEC_12", "IEC", "IEC_12", ""),
        ("10x-odd", "", "odd", ""),
        ("5x-IEC_12", "IEC", "IEC_12", "data/5x/Masks/IEC_12.png"),
    ]


def test_cobra_and_dermpathnet(tmp_path: Path) -> None:
    touch(
        tmp_path / "c",
        "packages/bcc/images/1.tif",
        "packages/ood/images/1.tif",
        "packages/bcc/annotations/1.tif",
    )
    assert cells(index("cobra", tmp_path / "c"), "id", "diagnosis") == [
        ("bcc/1", "bcc package"),
        ("ood/1", "ood package"),
    ]
    touch(
        tmp_path / "d",
        "derm/images/Eccrine poroma/PMC4868933-cde-0008-0080-g02.jpeg",
        "derm/images/Eccrine poroma/PMC4868933-cde-0008-0080-g03.jpeg",
        "logo.png",
    )
    manifest = index("dermpathnet", tmp_path / "d")
    assert set(cells(manifest, "diagnosis", "patient_id")) == {("Eccrine poroma", "PMC4868933")}


def test_every_list_line_says_terms_numbers_and_what_can_be_shown() -> None:
    said = describe_sources()
    blocks = said.split("\n\n")
    assert [block.partition(":")[0] for block in blocks] == SOURCES.names()
    for block in blocks:
        for word in ("  terms: ", "  usable: ", "  about NME: ", "  get it: https://"):
            assert word in block
        assert "not known here" not in block
    assert "psoriasis 561" in said
    assert "training no, passing on no" in said


class TestTables:
    def test_a_csv_with_other_column_names(self, tmp_path: Path) -> None:
        touch(tmp_path, "img/1.png", "img/2.png")
        table(
            tmp_path / "list.csv",
            "file,label,case,age",
            "img/1.png,Psoriasis,7,61",
            "img/2.png,,8,",
            "img/3.png,x,9,",
        )
        notes: list[str] = []
        columns = {"path": "file", "diagnosis": "label", "patient_id": "case"}
        manifest = index_csv(
            tmp_path / "list.csv", columns, modality="histology", licence="own", note=notes.append
        )
        assert cells(manifest, "id", "diagnosis", "patient_id", "modality", "licence", "age") == [
            ("img/1.png", "Psoriasis", "7", "histology", "own", "61"),
            ("img/2.png", "", "8", "histology", "own", ""),
        ]
        assert notes == ["rows left out because their images are not there: 1 of 3"]

    def test_wrong_columns_are_told_at_once(self, tmp_path: Path) -> None:
        table(tmp_path / "list.csv", "file,label,split", "a,b,train")
        with pytest.raises(DataError) as caught:
            index_csv(tmp_path / "list.csv", {"path": "fil", "diagnosis": "lable", "split": "label"})
        said = str(caught.value)
        assert "no column 'fil' for path (did you mean 'file'?)" in said
        assert "no column 'lable' for diagnosis (did you mean 'label'?)" in said
        assert "'label' is to be split, but the table has a column 'split' already" in said
        with pytest.raises(
            DataError, match=r"'diagnosys' is no column of a manifest .did you mean 'diagnosis'"
        ):
            index_csv(tmp_path / "list.csv", {"diagnosys": "label"}, modality="histolgy", licence="free")

    def test_slides_by_case_folder(self, tmp_path: Path) -> None:
        touch(tmp_path, "case 1/a.svs", "case 1/b.ndpi", "c.tif", "notes/photo.jpg")
        notes: list[str] = []
        manifest = index_slides(tmp_path, licence="own", note=notes.append)
        assert cells(manifest, "id", "patient_id", "diagnosis", "modality") == [
            ("c.tif", "c", "", "histology"),
            ("case 1/a.svs", "case 1", "", "histology"),
            ("case 1/b.ndpi", "case 1", "", "histology"),
        ]
        assert notes == ["images that are no slides are left out: 1"]
        with pytest.raises(DataError, match="no slide below it"):
            index_slides(tmp_path / "notes")
