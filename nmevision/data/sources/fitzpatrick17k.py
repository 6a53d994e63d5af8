"""Fitzpatrick17k: clinical photographs of 114 conditions from two web atlases (Groh et al. 2021).

Its labels are noisy, and its own `url` column says so: the folder of the photograph on its first host often
names another disease. Where folder and label contradict each other for a label that nmevision uses, and in
the eleven rows whose folder is `glucagonoma_syndrome` (probably necrolytic migratory erythema, labelled
telangiectases), the row's diagnosis becomes one of the texts below, which the taxonomies exclude with the
reason. The label itself stays in the column `native_label`; nothing is relabelled as another disease.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from nmevision.data.sources.source import Row, Source, declare, images_by_stem, read_table

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


def rows(folder: Path) -> Iterator[Row]:
    """Yield a row per line of the table; images are found by their MD5 name, anywhere below the folder."""
    images = images_by_stem(folder)
    if not (folder / _TABLE).is_file():
        return
    for row in read_table(folder / _TABLE, _COLUMNS):
        url_folder = _folder_of(row["url"])
        yield {
            "id": row["md5hash"],
            "path": images.get(row["md5hash"], ""),
            "diagnosis": _diagnosis(row["label"], url_folder, row["qc"]),
            "native_label": row["label"],
            "url_folder": url_folder,
            "fitzpatrick_scale": row["fitzpatrick_scale"].replace("-1", ""),  # -1: not known
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
    )
)
