"""The card of a bundle, in the form of the Hugging Face Hub: what it is, what it was trained on, what it is not."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nmevision.networks.card_front import Result, front_matter
from nmevision.networks.graph import MOST_LOSS

if TYPE_CHECKING:
    from nmevision.networks.bundle import BundleInfo

RESEARCH_USE = "For research. Not a medical device: no diagnosis, triage or treatment may rest on it."
NOT_SAID = "Not recorded; for whoever passes this model on to say."
PREVALENCES = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2)
SENSITIVITY, SPECIFICITIES = 0.90, (0.95, 0.99, 0.999)
"""Of the arithmetic of the card's prevalence table, which says nothing about this model."""


def card_of(info: BundleInfo, results: Sequence[Result] = ()) -> str:
    """Return the card as Markdown; every figure stands with its n. results: of images it has not seen."""
    sections = [
        front_matter(info, results),
        f"# {_plain(info.name)}",
        RESEARCH_USE,
        *_warnings(info),
        _details(info),
        _uses(info),
        _limits(info),
        "## How to Get Started with the Model\n\n"
        f"```\nnmevision predict models/{_plain(info.name)} FOLDER --out DIR\n```",
        _trained_on(info),
        _findings(info),
        _licences(info.training.get("licences", {}), info),
        _evaluation(info, results),
        f"## Environmental Impact\n\nHardware, hours and energy of the training: {NOT_SAID.lower()}",
        _technical(info),
        _in_8_bits(info),
        f"## Citation\n\n{NOT_SAID}",
        _glossary(info),
        f"## Model Card Contact\n\n{NOT_SAID}",
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


def _plain(text: object) -> str:
    """Return a text of the user's that stays in its table cell and is no markup.

    >>> _plain("a|b <i>")
    'a\\\\|b \\\\<i\\\\>'
    """
    return re.sub(r"([\\`*\[\]<>|])", r"\\\1", " ".join(str(text).split()))


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


def _details(info: BundleInfo) -> str:
    rows = [f"| `{d.key}` | {_plain(d.name)} | {_plain(d.group)} |" for d in info.taxonomy.diagnoses]
    return "\n".join(
        [
            "## Model Details",
            "",
            f"Maps one {info.modality} image to probabilities of {len(rows)} diagnoses "
            f"(taxonomy `{_plain(info.taxonomy.name)}`). Made {info.created} with nmevision {info.nmevision}.",
            "",
            "| key | diagnosis | group |",
            "|---|---|---|",
            *rows,
        ]
    )


def _uses(info: BundleInfo) -> str:
    positive = f", `{info.positive}` first" if info.positive else ""
    image = "histology (H&E) image" if info.modality == "histology" else "clinical photo"
    return "\n".join(
        [
            "## Uses",
            "",
            "### Direct Use",
            "",
            f"Research: ordering the diagnoses above{positive} for one {image} of a preselected patient, as a second "
            "look beside a specialist.",
            "",
            "### Downstream Use",
            "",
            "Further training or other aggregation needs its own evaluation on patients that neither model has seen.",
            "",
            "### Out-of-Scope Use",
            "",
            "Screening, self-diagnosis, triage without a clinician, children, and images of another kind than those "
            "it was trained on.",
            *_prevalence_table(info),
        ]
    )


def _prevalence_table(info: BundleInfo) -> list[str]:
    """Return how many positive calls find one case: why screening for so rare a disease is not defensible."""
    if not info.positive:
        return []
    lines = [
        "",
        f"Arithmetic, not this model's figures: positive calls per true case at sensitivity {SENSITIVITY:.2f}.",
        "",
        "| prevalence |" + "".join(f" specificity {value:g} |" for value in SPECIFICITIES),
        "|---:|" + "---:|" * len(SPECIFICITIES),
    ]
    for share in PREVALENCES:
        calls = [1 + (1 - value) * (1 - share) / (SENSITIVITY * share) for value in SPECIFICITIES]
        cells = (f" {n:.1f} |" if n < 10 else f" {float(f'{n:.3g}'):,.0f} |" for n in calls)
        lines.append(f"| 1 in {round(1 / share):,} |" + "".join(cells))
    return lines


def _limits(info: BundleInfo) -> str:
    sources = len(info.training.get("sources", {}))
    lines = [
        "It may have learned the source, the camera, the stain or the skin tone instead of the disease: "
        f"its images come from {sources or 'an unknown number of'} source{'' if sources == 1 else 's'}. "
        "`nmevision shortcuts` and the subgroup tables of `nmevision evaluate` look for it.",
        "It always names one of its own diagnoses, also for an image of none of them.",
    ]
    return "## Bias, Risks, and Limitations\n\n" + "\n".join(f"- {line}" for line in lines)


def _findings(info: BundleInfo) -> str:
    """Return how well each finding is graded on validation, and how both routes are weighed."""
    if not info.findings or info.fusion is None:
        return ""
    rows = []
    for finding in info.findings:
        n = sum(map(sum, finding.confusion))
        near = sum(
            count for i, row in enumerate(finding.confusion) for j, count in enumerate(row) if abs(i - j) <= 1
        )
        exact = sum(row[i] for i, row in enumerate(finding.confusion))
        shares = f"{exact / n:.2f} | {near / n:.2f}" if n else "- | -"
        rows.append(f"| `{finding.key}` | {'/'.join(map(str, finding.train_counts))} | {n} | {shares} |")
    alone = ", ".join(info.unlearned)
    return "\n".join(
        [
            "### Findings",
            "",
            "Each is graded 0 to 3; the cited profiles turn grades into a second answer beside the learned one. "
            f"Both are pooled: learned weight {info.fusion.learned:.2f}, profiles {info.fusion.knowledge:.2f}, fitted "
            f"on {info.fusion.images} validation images."
            + (f" Known from the literature alone, without a training image: {alone}." if alone else ""),
            "",
            "| finding | training images of grade 0/1/2/3 | validation images | graded exactly | within 1 |",
            "|---|---|---|---|---|",
            *rows,
        ]
    )


def _trained_on(info: BundleInfo) -> str:
    counts: dict[str, Any] = info.training.get("counts", {})
    rows = [
        f"| {split} | {_plain(diagnosis)} | {n['patients']} | {n['images']} |"
        for split, by_diagnosis in counts.items()
        for diagnosis, n in by_diagnosis.items()
    ]
    sources = ", ".join(
        f"{_plain(name) or 'not stated'} ({n})" for name, n in info.training.get("sources", {}).items()
    )
    return "\n".join(
        [
            "## Training Details",
            "",
            "| split | diagnosis | patients | images |",
            "|---|---|---|---|",
            *rows,
            "",
            f"Sources (images): {sources or 'not stated'}. A sample without patient_id counts as one patient.",
            f"Configurations tried on this manifest so far: {info.training.get('configurations_tried', '?')}.",
        ]
    )


def _licences(licences: dict[str, int], info: BundleInfo) -> str:
    stated = ", ".join(f"{_plain(name) or 'not stated'} ({n})" for name, n in licences.items())
    weights = _plain(info.network.weights_licence) or "not stated"
    return (
        f"### Licences\n\nTraining images: {stated or 'not stated'}. Starting weights: {weights}. Their conditions may "
        "bind whoever passes this model on."
    )


def _evaluation(info: BundleInfo, results: Sequence[Result]) -> str:
    """Return the results on unseen images, if any, and apart from them what steered the training."""
    found = info.validation
    lines = ["## Evaluation", ""]
    if results:
        lines += [
            "### Results",
            "",
            "| set | metric | value (95 % interval) | patients |",
            "|---|---|---|---|",
        ]
        for one in results:
            limits = f" ({one.low:.3f} to {one.high:.3f}, {one.method})" if one.low is not None else ""
            lines.append(
                f"| {_plain(one.dataset)} | {_plain(one.name)} | {one.value:.3f}{limits} | {one.n} |"
            )
    else:
        lines.append(
            "No results stand here. They come from `nmevision predict` and `nmevision evaluate` on images it has not "
            "seen, whose report names testing data, factors and metrics."
        )
    return "\n".join(
        [
            *lines,
            "",
            "### Validation",
            "",
            f"Epoch {found.get('epoch', '?')} of {found.get('epochs', '?')}; loss {_number(found.get('loss'))}, "
            f"balanced accuracy {_number(found.get('balanced_accuracy'))} on {found.get('images', '?')} images of "
            f"{found.get('patients', '?')} patients. These figures chose the epoch and the temperature, so they "
            "flatter the model and are no result.",
        ]
    )


def _technical(info: BundleInfo) -> str:
    network, frame = info.network, info.preprocessing
    looks = f"{network.views} mirrored and turned looks are averaged. " if network.views > 1 else ""
    versions = ", ".join(f"{name} {value}" for name, value in info.versions.items())
    return (
        f"## Technical Specifications\n\n{looks}Network: {network.backbone} at {frame.width} x {frame.height} pixels, "
        f"started from {network.weights_from}. Logits are divided by the temperature {info.temperature:.3f}, fitted on "
        f"validation. Versions: {versions}."
    )


def _in_8_bits(info: BundleInfo) -> str:
    """Return what the network in 8-bit integers loses, where the bundle holds it."""
    found = info.graph.int8 if info.graph is not None else None
    if found is None:
        return ""
    rows = []
    for one in found.auroc:
        limits = f"{one.low:.4f} to {one.high:.4f}, {one.method}" if one.low is not None else one.method
        rows.append(
            f"| {_plain(one.of)} | {one.positives} | {one.float32:.4f} | {one.int8:.4f} | {one.loss:.4f} ({limits}) |"
        )
    return "\n".join(
        [
            "### In 8-bit integers",
            "",
            f"Only `nmevision predict --int8` computes so, on CPUs. Ranges come from {found.calibrated} training images; "
            "the temperature and the prediction sets are those of float32. What is lost against it, on "
            f"{found.images} validation images of {found.patients} patients, which also chose the epoch:",
            "",
            "| AUROC of | images of it | float32 | 8 bits | loss (95 % interval) |",
            "|---|---:|---:|---:|---|",
            *rows,
            "",
            f"A diagnosis's probability changes by up to {found.change.largest:.3f}, by {found.change.mean:.4f} in the "
            f"mean; {100 * found.same_top:.1f} % of the images keep their first diagnosis. A loss above {MOST_LOSS:g} "
            "would have been refused.",
        ]
    )


def _glossary(info: BundleInfo) -> str:
    words = {
        "bundle": "a trained model as one folder",
        "finding": "something graded 0 to 3, such as parakeratosis",
        "group": "the diagnoses that share one pattern, which the image can really tell",
        "NME": "necrolytic migratory erythema",
        "phantom": "a synthetic image, never evidence about disease",
    }
    shown = {word: means for word, means in words.items() if word != "phantom" or info.phantom}
    return "## Glossary\n\n" + "\n".join(f"- {word}: {means}" for word, means in shown.items())


def _number(value: object) -> str:
    """Return a figure with three decimals, or a dash where there is none."""
    return f"{value:.3f}" if isinstance(value, (int, float)) else "-"
