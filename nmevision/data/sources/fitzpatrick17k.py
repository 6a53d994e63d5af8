"""Fitzpatrick17k: clinical photographs of 114 conditions from two web atlases (Groh et al. 2021).

Its labels are noisy, and its own `url` column says so: the folder of the photograph on its first host often
names another disease. Where folder and label contradict each other for a label that nmevision uses, and in
the eleven rows whose folder is `glucagonoma_syndrome` (probably necrolytic migratory erythema, labelled
telangiectases), the row's diagnosis becomes one of the texts below, which the taxonomies exclude with the
reason. The label itself stays in the column `native_label`; nothing is relabelled as another disease.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from nmevision.data.sources.source import (
    Row,
    Source,
    declare,
    images_by_stem,
    read_table,
    skin_tone_of,
)

_TABLE = "fitzpatrick17k.csv"
_COLUMNS = ("md5hash", "fitzpatrick_scale", "label", "qc", "url")

GLUCAGONOMA_FOLDER = "telangiectases (folder glucagonoma_syndrome)"
CONTRADICTED = "label contradicted by its folder"
JUDGED_WRONG = "label judged wrong by quality check"
NAIL = "psoriasis nail"

CONTRADICTIONS = {
    "allergic contact dermatitis": (
        "bee_sting",
        "grovers_disease_transient_acantholytic_dermatosis",
        "irritant-contact-dermatitis",
        "juvenile-rheumatoid-arthritis",
        "mechanical-irritant-contact-dermatitis",
        "paederus_dermatitis",
        "salmon-patches",
    ),
    "dariers disease": ("addison_disease", "hashimoto_pritzker_disease", "nigerian_shin_diaease"),
    "drug eruption": ("drug_alopecia", "drug_pigmentation"),
    "dyshidrotic eczema": (
        "anhidrotic_ectodermal_dysplasia",
        "hidrotic_ectodermal_dysplasia",
        "hypohidrotic_ectodermal_dysplasia",
        "polyp",
    ),
    "eczema": (
        "erysipelas_lymphoedema",
        "infantile_acute_hemorrhagic_edema",
        "verrucous-skin-changes-in-chronic-lymphedema",
    ),
    "lichen planus": (
        "borderline_personality_disorder",
        "bullous_disease_of_dialysis",
        "dermatite_peri_orale",
        "dermatitis_artefacta",
        "dermatitis_solaris",
        "nevus-verrucosus",
        "thrush",
        "trauma",
    ),
    "lichen simplex": ("chicken_pox",),
    "neurodermatitis": ("berloque_dermatitis",),
    "photodermatoses": ("kwashiorkor-dermatitis",),
    "pityriasis rubra pilaris": ("remains-of-a-branchial-arch",),
    "psoriasis": (
        "filariasis",
        "oxyuriasis",
        "parapsoriasis-en-goutte",
        "parapsoriasis-large-plaque",
        "parapsoriasis-small-plaque-type",
    ),
    "seborrheic dermatitis": ("seborrhoeic-warts",),
}
"""Label -> url folders that name another disease, read off the CSV of commit fac223a (see its spelling)."""

LABELS = {
    "acrodermatitis enteropathica": "acrodermatitis_enteropathica",
    "psoriasis": "psoriasis",
    "pustular psoriasis": "psoriasis",
    "pityriasis rubra pilaris": "pityriasis_rubra_pilaris",
    "eczema": "eczema",
    "dyshidrotic eczema": "eczema",
    "allergic contact dermatitis": "eczema",
    "neurodermatitis": "eczema",
    "lichen simplex": "eczema",
    "seborrheic dermatitis": "seborrheic_dermatitis",
    "pityriasis rosea": "pityriasis_rosea",
    "lichen planus": "lichen_planus",
    "erythema multiforme": "erythema_multiforme",
    "stevens johnson syndrome": "sjs_ten",
    "fixed eruptions": "fixed_drug_eruption",
    "hailey hailey disease": "hailey_hailey_disease",
    "dariers disease": "darier_disease",
    "drug eruption": "drug_eruption",
    "erythema annulare centrifigum": "erythema_annulare_centrifugum",
}
COUNTS = {
    "acrodermatitis_enteropathica": 92,
    "psoriasis": 561,
    "pityriasis_rubra_pilaris": 275,
    "eczema": 753,
    "seborrheic_dermatitis": 124,
    "pityriasis_rosea": 193,
    "lichen_planus": 422,
    "erythema_multiforme": 236,
    "sjs_ten": 113,
    "fixed_drug_eruption": 125,
    "hailey_hailey_disease": 174,
    "darier_disease": 140,
    "drug_eruption": 192,
    "erythema_annulare_centrifugum": 88,
}
"""Counted in the table, without the rows that are contradicted, judged wrong or of a nail."""
OTHERS = "another of its 114 conditions, outside the question; the taxonomy says why it trusts no lupus label"
SHOWS = (
    "mimics and specificity on photographs by skin type; 11 probable NME photographs under the label "
    "telangiectases need a dermatologist and count for nothing"
)


def rows(folder: Path) -> Iterator[Row]:
    """Yield a row per line of the table; images are found by their MD5 name, anywhere below the folder."""
    images = images_by_stem(folder)
    if not (folder / _TABLE).is_file():
        return
    for row in read_table(folder / _TABLE, _COLUMNS):
        yield row_of(row, images) | {
            "fitzpatrick_scale": row["fitzpatrick_scale"].replace("-1", ""),  # -1: not known
            "skin_tone": skin_tone_of(row["fitzpatrick_scale"]),
        }


def row_of(row: Row, images: Mapping[str, str]) -> Row:
    """Return what both tables (this one and Fitzpatrick17k-C) say of an image; `images`: MD5 name -> path."""
    url_folder = _folder_of(row["url"])
    return {
        "id": row["md5hash"],
        "path": images.get(row["md5hash"], ""),
        "diagnosis": _diagnosis(row["label"], url_folder, row["qc"]),
        "native_label": row["label"],
        "url_folder": url_folder,
    }


def _folder_of(url: str) -> str:
    """Return the last folder in a URL (the disease at one host, the host's name at the other), or ""."""
    parts = url.split("/")
    return parts[-2] if len(parts) > 1 else ""


def _diagnosis(label: str, url_folder: str, quality: str) -> str:
    """Return the label, or what speaks against it."""
    if url_folder == "glucagonoma_syndrome":
        return GLUCAGONOMA_FOLDER
    if url_folder in CONTRADICTIONS.get(label, ()):
        return CONTRADICTED
    if label == "psoriasis" and url_folder == "psoriasis_nail":
        return NAIL
    return JUDGED_WRONG if quality.startswith("3") else label


SOURCE = declare(
    Source(
        name="fitzpatrick17k",
        title="Fitzpatrick17k: clinical photographs of 114 skin conditions with skin types",
        url="https://github.com/mattgroh/fitzpatrick17k",
        licence="CC-BY-NC-SA-3.0",
        citation="Groh M, Harris C, Soenksen L, et al. CVPR Workshops 2021:1820-1828. arXiv:2104.09957",
        modality="clinical",
        n_images=16577,
        n_classes=114,
        layout=f"{_TABLE} and <md5hash>.jpg in the same folder or below; ask the authors for the images",
        checked="Table read whole at commit fac223a: 16,577 rows, 114 labels, 41 rows without url. No image "
        "was seen. Licence as in the repository's README; the photographs were taken from DermaAmin and "
        "Atlas Dermatologico, so do not pass them on. Patients are not published and near-duplicates are "
        "known (Abhishek et al., doi:10.1038/s41597-025-04382-5): look for duplicates before splitting.",
        rows=rows,
        shows=SHOWS,
        labels=LABELS,
        others=OTHERS,
        passing_on=False,
        counts=COUNTS,
        access="the authors' form; the table is CC-BY-NC-SA-3.0, the photographs are the atlases'",
    )
)
