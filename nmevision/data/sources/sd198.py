"""SD-198: photographs of 198 skin diseases from a web atlas, a folder each (Sun et al. 2016).

Seen: `images/<class>/` and class_idx files in several third-party loaders; the 198 folder names in three public
lists, which agree on those below. No folder of the set was seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from nmevision.data.sources.source import Row, Source, declare, images_below


def rows(folder: Path) -> Iterator[Row]:
    """Yield a row per image below images/; its folder's name is its label."""
    if not (folder / "images").is_dir():
        return
    for text, path in images_below(folder / "images").items():
        if len(path.parts) > 1:
            yield {"id": text, "path": f"images/{text}", "diagnosis": path.parts[0]}


SOURCE = declare(
    Source(
        name="sd198",
        title="SD-198: photographs of 198 skin diseases from a web atlas",
        url="https://doi.org/10.1007/978-3-319-46466-4_13",
        licence="research only",
        citation="Sun X, Yang J, Sun M, Wang K. ECCV 2016:206-222. doi:10.1007/978-3-319-46466-4_13",
        modality="clinical",
        n_images=6584,
        n_classes=198,
        layout="images/<disease>/<name>.jpg, one folder per disease, such as images/Guttate_Psoriasis/1.jpg",
        checked="Layout and folder names as in third-party code; the number of images as quoted by a later "
        "paper. No licence was found: taken as research use only, not to be passed on. Patients are not "
        "published, and the atlas shows some patients several times: look for duplicates before splitting.",
        rows=rows,
        shows="mimics and specificity on photographs of an atlas; no NME folder",
        labels={
            "Psoriasis": "psoriasis",
            "Guttate_Psoriasis": "psoriasis",
            "Inverse_Psoriasis": "psoriasis",
            "Pustular_Psoriasis": "psoriasis",
            "Scalp_Psoriasis": "psoriasis",
            "Eczema": "eczema",
            "Acute_Eczema": "eczema",
            "Dry_Skin_Eczema": "eczema",
            "Dyshidrosiform_Eczema": "eczema",
            "Nummular_Eczema": "eczema",
            "Infantile_Atopic_Dermatitis": "eczema",
            "Allergic_Contact_Dermatitis": "eczema",
            "Neurodermatitis": "eczema",
            "Stasis_Dermatitis": "eczema",
            "Erythema_Craquele": "eczema",
            "Seborrheic_Dermatitis": "seborrheic_dermatitis",
            "Pityriasis_Rosea": "pityriasis_rosea",
            "Lichen_Planus": "lichen_planus",
            "Erythema_Multiforme": "erythema_multiforme",
            "Fixed_Drug_Eruption": "fixed_drug_eruption",
            "Hailey_Hailey_Disease": "hailey_hailey_disease",
            "Darier-White_Disease": "darier_disease",
            "Candidiasis": "candidiasis_intertrigo",
            "Tinea_Corporis": "tinea",
            "Tinea_Cruris": "tinea",
            "Impetigo": "impetigo",
            "Drug_Eruption": "drug_eruption",
            "Erythema_Annulare_Centrifigum": "erythema_annulare_centrifugum",
        },
        excluded={
            "Nail_Psoriasis": "a nail, not skin",
            "Exfoliative_Erythroderma": "a state that psoriasis, eczema, PRP, drugs and lymphoma all reach",
            "Discoid_Lupus_Erythematosus": "another kind of cutaneous lupus than the subacute one",
            "Tinea_Versicolor": "Malassezia, not a dermatophyte",
        },
        others="another of its 198 diseases, outside the question",
        access="the authors, for research",
    )
)
