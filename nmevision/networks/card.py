"""The card of a bundle: what it is, what it was trained on, what it is not, made from its own record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nmevision.networks.bundle import BundleInfo

RESEARCH_USE = "For research. Not a medical device: no diagnosis, triage or treatment may rest on it."


def card_of(info: BundleInfo) -> str:
    """Return the card as Markdown; every figure stands with its n."""
    sections = [
        f"# {info.name}",
        RESEARCH_USE,
        *_warnings(info),
        _what_it_does(info),
        _trained_on(info),
        _steering(info),
        _licences(info.training.get("licences", {}), info),
        _use(info),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def what_slides_cannot_tell(info: BundleInfo) -> str:
    """Return the limit of H&E for a histology model that can answer "necrolytic", else ""."""
    if info.modality != "histology" or "necrolytic" not in info.taxonomy.group_of.values():
        return ""
    return (
        "H&E cannot tell NME from zinc deficiency, pellagra, necrolytic acral erythema or biotin/fatty-acid "
        "deficiency: read a positive answer as a necrolytic pattern, whose members body site, zinc, niacin, hepatitis C, "
        "diet, glucagon and imaging tell apart, and a negative one as 'pattern not seen in this sample'."
    )


def _warnings(info: BundleInfo) -> list[str]:
    """Return what this model must not be taken for."""
    lines = []
    if info.phantom:
        lines.append(
            "**Trained on phantoms.** These are synthetic images; what this model says of a real image is no "
            "evidence about disease."
        )
    limit = what_slides_cannot_tell(info)
    if limit:
        lines.append(f"**{limit}**")
    return lines


def _what_it_does(info: BundleInfo) -> str:
    rows = [f"| `{d.key}` | {d.name} | {d.group} |" for d in info.taxonomy.diagnoses]
    network = info.network
    frame = info.preprocessing
    return "\n".join(
        [
            "## What it does",
            f"Maps one {info.modality} image to probabilities of {len(rows)} diagnoses "
            f"(taxonomy `{info.taxonomy.name}`).",
            "",
            "| key | diagnosis | group |",
            "|---|---|---|",
            *rows,
            "",
            f"Network: {network.backbone} at {frame.width} x {frame.height} pixels, started from "
            f"{network.weights_from}. Logits are divided by the temperature {info.temperature:.3f}, fitted on "
            "validation.",
        ]
    )


def _trained_on(info: BundleInfo) -> str:
    counts: dict[str, Any] = info.training.get("counts", {})
    rows = [
        f"| {split} | {diagnosis} | {n['patients']} | {n['images']} |"
        for split, by_diagnosis in counts.items()
        for diagnosis, n in by_diagnosis.items()
    ]
    sources = ", ".join(
        f"{name or 'not stated'} ({n})" for name, n in info.training.get("sources", {}).items()
    )
    return "\n".join(
        [
            "## What it was trained on",
            "| split | diagnosis | patients | images |",
            "|---|---|---|---|",
            *rows,
            "",
            f"Sources (images): {sources or 'not stated'}. A sample without patient_id counts as one patient.",
        ]
    )


def _steering(info: BundleInfo) -> str:
    found = info.validation
    return "\n".join(
        [
            "## Validation",
            f"Epoch {found.get('epoch', '?')} of {found.get('epochs', '?')}; loss {_number(found.get('loss'))}, "
            f"balanced accuracy {_number(found.get('balanced_accuracy'))} on {found.get('images', '?')} images of "
            f"{found.get('patients', '?')} patients. These figures chose the epoch and the temperature, so they "
            "flatter the model and are no result. Results come from `nmevision predict` and `nmevision evaluate` "
            "on images it has not seen.",
            f"Configurations tried on this manifest so far: {info.training.get('configurations_tried', '?')}.",
        ]
    )


def _licences(licences: dict[str, int], info: BundleInfo) -> str:
    stated = ", ".join(f"{name or 'not stated'} ({n})" for name, n in licences.items()) or "not stated"
    weights = info.network.weights_licence or "not stated"
    return (
        f"## Licences\nTraining images: {stated}. Starting weights: {weights}. Their conditions may bind "
        "whoever passes this model on."
    )


def _use(info: BundleInfo) -> str:
    return f"## Use\n```\nnmevision predict models/{info.name} FOLDER --out DIR\n```"


def _number(value: object) -> str:
    """Return a figure with three decimals, or a dash where there is none."""
    return f"{value:.3f}" if isinstance(value, (int, float)) else "-"
