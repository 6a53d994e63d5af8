"""HISTAI-skin: whole slides of skin with the case's ICD-10 code and the report's words (Nechaev et al. 2025).

Seen: README.md of github:HistAI/HISTAI (naming, JSON fields, an example `case_mapping`, counts, CC BY-NC 4.0);
`HISTAI-metadata/metadata.json` in a third-party script; `slide_H&E_1_x40.tiff` in another, where the README puts
the magnification before the stain: both are read. No slide and no metadata were seen.

The label is the ICD-10 code, as it is the only coded field: a clinical code of a case is weaker than a pathologist's
diagnosis of the slide, so the words of the conclusion travel along. A case with codes of two diagnoses has no label.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from nmevision.data.sources.source import (
    LEFT_OUT,
    Row,
    Source,
    declare,
    find_table,
    images_below,
    read_records,
)

_TABLES = ("metadata.json", "HISTAI-metadata/metadata.json")
_CASE = re.compile(r"HISTAI-skin-b[12]/case_\d+")
_CODE = re.compile(r"[A-Z]\d\d(?:\.\d+)?")
_STAIN = re.compile(r"(?i)(^|_)h\s*&?\s*e(_|$)")

CODES = {
    "L40": "psoriasis",
    "L44.0": "pityriasis_rubra_pilaris",
    "L20": "eczema",
    "L23": "eczema",
    "L28.0": "eczema",
    "L30.0": "eczema",
    "L30.1": "eczema",
    "L24": "irritant_contact_dermatitis",
    "L21": "seborrheic_dermatitis",
    "L42": "pityriasis_rosea",
    "L43": "lichen_planus",
    "L93.1": "scle",
    "L51.0": "erythema_multiforme",
    "L51.1": "sjs_ten",
    "L51.2": "sjs_ten",
    "L10.2": "pemphigus_foliaceus",
    "L13.1": "subcorneal_pustular_dermatosis",
    "B37.2": "candidiasis_intertrigo",
    "B35": "tinea",
    "L01": "impetigo",
    "L27": "drug_eruption",
    "L53.1": "erythema_annulare_centrifugum",
    "E60": "acrodermatitis_enteropathica",
    "E83.2": "acrodermatitis_enteropathica",
    "E52": "pellagra",
}
"""ICD-10 code (with all below it) -> diagnosis; the longest that fits counts. Titles as in the WHO's ICD-10."""
GLUCAGONOMA = {
    "E16.3": "increased secretion of glucagon",
    "D13.7": "benign tumour of the endocrine pancreas",
    "C25.4": "malignant tumour of the endocrine pancreas",
}
"""Codes beside which a slide may show NME: never a label, but set aside to be read by a person."""


def rows(folder: Path) -> Iterator[Row]:
    """Yield a row per H&E slide of a case that the metadata name; slides of one case are one patient_id."""
    table = find_table(folder, *_TABLES)
    if table is None:
        return
    cases = {}
    for record in read_records(table, ("case_mapping", "icd10")):
        if name := _CASE.search(str(record["case_mapping"] or "")):
            cases[name[0]] = record
    for text, path in images_below(folder).items():
        name = _CASE.search(text)
        if name is None or name[0] not in cases:
            continue
        row = {"id": f"{name[0]}/{path.stem}", "path": text, **_about(cases[name[0]], name[0])}
        large = re.search(r"(?i)(^|_)(x40|40x)(_|$)", path.stem)
        row["magnification"] = "40x" if large else "20x"
        if not _STAIN.search(path.stem.removeprefix("slide_")):
            row[LEFT_OUT] = "stained with something else than H&E"
        yield row


def _about(record: dict[str, object], case: str) -> Row:
    """Return what the metadata say of a case."""
    codes = _CODE.findall(str(record["icd10"] or "").upper())
    keys = {key for code in codes if (key := _diagnosis(code))}
    suspects = [GLUCAGONOMA[code] for code in codes if code in GLUCAGONOMA]
    return {
        "diagnosis": "glucagonoma" if suspects else keys.pop() if len(keys) == 1 else "",
        "native_label": " ".join(codes),
        "patient_id": case,
        "age": _text(record, "age"),
        "sex": _text(record, "gender"),
        "conclusion": _text(record, "conclusion"),
        "micro_protocol": _text(record, "micro_protocol"),
    }


def _diagnosis(code: str) -> str:
    """Return the diagnosis of an ICD-10 code, by its longest known beginning."""
    return CODES.get(code) or CODES.get(code.partition(".")[0], "")


def _text(record: dict[str, object], key: str) -> str:
    """Return a field as text on one line, "" where it is absent."""
    return " ".join(str(record.get(key) or "").split())


SOURCE = declare(
    Source(
        name="histai_skin",
        title="HISTAI-skin (b1, b2): whole slides of skin with report and ICD-10 code",
        url="https://huggingface.co/datasets/histai/HISTAI-metadata",
        licence="CC-BY-NC-4.0",
        citation="Nechaev D, Pchelnikov A, Ivanova E. HISTAI: an open-source, large-scale whole slide image "
        "dataset. 2025. arXiv:2505.12120",
        modality="histology",
        n_images=51467,
        n_classes=len(CODES),
        layout="metadata.json (of HISTAI-metadata) and HISTAI-skin-b1/case_<number>/slide_H&E_0.tiff, and so for "
        "HISTAI-skin-b2",
        checked="Names, fields, counts (7,710 + 43,757 slides of 1,778 + 20,621 cases) and terms as in the "
        "README. How many cases carry which code was not counted. A case stands in for a patient. The resolution "
        "is not in the metadata: it is read from the slide.",
        rows=rows,
        shows="the best public source of inflammatory H&E: mimics by case, weakly labelled; cases with a code of "
        "glucagonoma are set aside for a pathologist",
        labels=CODES,
        others="its code means none of the diagnoses",
        access="CC-BY-NC-4.0, research only, after accepting its terms on the page",
    )
)
