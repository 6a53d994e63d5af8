"""SCIN: photographs that search users in the United States gave, labelled by dermatologists (Ward et al. 2024).

Seen: `dataset_schema.md`, README.md and LICENSE (whole) of github:google-research-datasets/scin at 301bf75: columns,
enumerations, 15 duplicate images, 48 gradable cases without a label. Condition names and how many cases carry them:
the repository's demo notebook, read earlier. "YES" in the yes/no columns and `dataset/images/<number>.png` in
`image_1_path`: third-party loaders. No copy of the set was seen.

A case's label is the condition with the highest weight; where two share it, the case has no label here.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from nmevision.data.sources.source import (
    Row,
    Source,
    declare,
    find_table,
    images_below,
    read_tables,
    skin_tone_of,
)
from nmevision.errors import DataError

_SITES = "body_parts_"
_TONES = tuple(f"dermatologist_fitzpatrick_skin_type_label_{n}" for n in (1, 2, 3))
_SHOTS = (1, 2, 3)


def rows(folder: Path) -> Iterator[Row]:
    """Yield a row per photograph; the photographs of one case are one patient_id."""
    cases = find_table(folder, "dataset/scin_cases.csv", "scin_cases.csv")
    labels = find_table(folder, "dataset/scin_labels.csv", "scin_labels.csv")
    if cases is None or labels is None:
        return
    needed = {cases: ("case_id", "image_1_path"), labels: ("case_id", "weighted_skin_condition_label")}
    cases_rows, label_rows = read_tables(needed)
    label_of = {row["case_id"]: row for row in label_rows}
    images = images_below(folder)
    by_name = {path.name: text for text, path in images.items()}
    for case in cases_rows:
        label = label_of.get(case["case_id"], {})
        about = _about(case, label)
        for shot in _SHOTS:
            native = case.get(f"image_{shot}_path", "")
            if native:
                path = native if native in images else by_name.get(native.rpartition("/")[2], "")
                view = case.get(f"image_{shot}_shot_type", "").lower()
                yield about | {"id": f"{case['case_id']}-{shot}", "path": path, "view": view}


def _about(case: Row, label: Row) -> Row:
    """Return what is known of a case."""
    name, weight = _first(label.get("weighted_skin_condition_label", ""), case["case_id"])
    tones = [skin_tone_of(label.get(column, "")) for column in _TONES]
    known = sorted(tone for tone in tones if tone)
    parts = [
        key.removeprefix(_SITES) for key, value in case.items() if key.startswith(_SITES) and value == "YES"
    ]
    return {
        "diagnosis": name,
        "label_weight": weight,
        "patient_id": case["case_id"],
        "skin_tone": known[len(known) // 2] if known else "",  # the median of up to three dermatologists
        "sex": case.get("sex_at_birth", "").lower(),
        "age_group": case.get("age_group", "").removeprefix("AGE_").lower().replace("_to_", "-"),
        "site": " ".join(parts).lower(),
    }


def _first(text: str, case: str) -> tuple[str, str]:
    """Return the condition of the highest weight and that weight; two texts "" where there is no single one."""
    if text in ("", "{}"):
        return "", ""
    try:
        weights = {str(name): float(weight) for name, weight in ast.literal_eval(text).items()}
    except (ValueError, SyntaxError, AttributeError, TypeError):
        raise DataError(
            f"case {case}: weighted_skin_condition_label {text!r} is no mapping of names to weights; "
            "is it the set's own table, unchanged?"
        ) from None
    best = max(weights.values())
    names = [name for name, weight in weights.items() if weight == best]
    return (names[0], f"{best:g}") if len(names) == 1 else ("", "")


SOURCE = declare(
    Source(
        name="scin",
        title="SCIN: photographs by search users in the United States, with dermatologists' labels",
        url="https://github.com/google-research-datasets/scin",
        licence="SCIN Data Use License",
        citation="Ward A, Li J, Wang J, et al. JAMA Netw Open 2024;7(11):e2446615. arXiv:2402.18545",
        modality="clinical",
        n_images=10407,
        n_classes=391,
        layout="dataset/scin_cases.csv, dataset/scin_labels.csv and dataset/images/<number>.png",
        checked="Columns, enumerations, terms and known faults as in the repository; counts as in its notebook; "
        "the number of classes is from memory. 15 images appear 42 times: look for duplicates. A label "
        "is an opinion on photographs, not a biopsy; a case stands in for a patient.",
        rows=rows,
        shows="mimics and specificity on everyday photographs by skin type; no NME label was found in it",
        labels={
            "Psoriasis": "psoriasis",
            "Inverse psoriasis": "psoriasis",
            "Eczema": "eczema",
            "Infected eczema": "eczema",
            "Allergic Contact Dermatitis": "eczema",
            "Acute dermatitis, NOS": "eczema",
            "Acute and chronic dermatitis": "eczema",
            "Lichen Simplex Chronicus": "eczema",
            "Stasis Dermatitis": "eczema",
            "Irritant Contact Dermatitis": "irritant_contact_dermatitis",
            "Seborrheic Dermatitis": "seborrheic_dermatitis",
            "Pityriasis rosea": "pityriasis_rosea",
            "Lichen planus/lichenoid eruption": "lichen_planus",
            "Erythema multiforme": "erythema_multiforme",
            "Drug Rash": "drug_eruption",
            "Tinea": "tinea",
            "Impetigo": "impetigo",
            "Intertrigo": "candidiasis_intertrigo",
            "Candida": "candidiasis_intertrigo",
            "Candida intertrigo": "candidiasis_intertrigo",
        },
        excluded={
            "Cutaneous lupus": "does not say whether it is subacute",
            "CD - Contact dermatitis": "does not say whether it is allergic or irritant",
            "Contact dermatitis, NOS": "does not say whether it is allergic or irritant",
        },
        others="another of its conditions, outside the question",
        counts={
            "psoriasis": 348,
            "eczema": 1211,
            "irritant_contact_dermatitis": 254,
            "seborrheic_dermatitis": 50,
            "pityriasis_rosea": 89,
            "lichen_planus": 94,
            "erythema_multiforme": 35,
            "drug_eruption": 156,
            "tinea": 232,
            "candidiasis_intertrigo": 38,
        },
        unit="cases that name it at all",
        access="SCIN Data Use License: share and adapt with credit, never re-identify; Google Cloud Storage",
    )
)
