"""One HTML file that opens from disk: style, script and data inside, everything escaped, nothing loaded."""

from __future__ import annotations

import base64
import hashlib
import html
import json
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any
from urllib.parse import quote

from nmevision.errors import ConfigError, did_you_mean
from nmevision.evaluation.claims import RESEARCH_ONLY
from nmevision.files import write_text
from nmevision.knowledge.loading import load_knowledge
from nmevision.knowledge.tables import MODALITIES, Modality
from nmevision.progress import progress_bar
from nmevision.reader.cases import page_data, read_answers
from nmevision.reader.pictures import Origin, Pictures, finder, pictures_of
from nmevision.reader.references import References, add_references
from nmevision.reader.tables import reasoning_tables

REPORT = "report.html"
REASONING = ("numbers.js", "reasoning.js", "routes.js", "clinical.js", "answering.js")
"""The scripts that compute: no page, no state."""
PAGE = (
    *("dom.js", "state.js", "corrections.js", "viewer.js", "answer.js", "sets.js", "references.js"),
    *("panels.js", "findings.js"),
    *("clinical_form.js", "summary.js", "rows.js", "worklist.js", "case.js", "form.js", "main.js"),
)
"""The scripts that draw, in the order in which they need one another."""
VIEWER = "openseadragon.min.js"
PHANTOMS = "This model was trained on phantoms (synthetic images): its answers say nothing about disease."


def write_reader_page(
    predictions_folder: Path,
    out: Path | None = None,
    *,
    images: bool = True,
    heavy_beside: bool = False,
    images_from: Path | None = None,
    references: References | None = None,
) -> Path:
    """Write the page of a folder of predictions and return where it lies.

    Args:
        predictions_folder: with predictions.csv, cases.csv and run.json; overlays/<id>/*.png are drawn where given.
        out: the page's file; report.html in the folder by default.
        images: whether the page shows the images at all.
        heavy_beside: put large images into a folder beside the page, NAME_files/, and only small ones into it.
        images_from: the folder, manifest or image that was predicted on. Without it, images are looked for in
            the predictions' folder and its images/ only.
        references: the reference cases nearest to each image, shown beside its answer.

    Raises:
        RunError: the folder holds no whole prediction. DataError: its table is broken.
    """
    folder = Path(predictions_folder)
    path = Path(out) if out is not None else folder / REPORT
    answers = read_answers(folder)
    data = page_data(answers)
    beside = path.parent / f"{path.stem}_files" if heavy_beside and images else None
    pictures = Pictures()
    if images:
        with progress_bar("drawing", len(data["rows"])) as step:
            target = tuple(data["target"]["diagnoses"])
            origin = Origin(folder, finder(folder, images_from), data["tables"]["modality"], target)
            pictures = pictures_of(data["rows"], origin, beside, step)
        for i, own in pictures.of_row.items():
            data["rows"][i] |= own
    if references is not None:
        add_references(data, references, answers.taxonomy, pictures if images else None)
    data["pictures"] = {
        "wanted": images,
        "missing": pictures.missing,
        "left_out": pictures.left_out,
        "given": images_from is not None,
    }
    stored = [p if p.startswith("data:") else quote(p) for p in pictures.stored]
    write_text(
        path, _page(f"{data['about']['name']}: {len(data['rows'])} images", data, stored, beside is not None)
    )
    return path


def write_page(
    predictions: Path | None,
    out: Path | None,
    form: bool,
    modality: str,
    images: Path | None,
    beside: bool,
    references: References | None = None,
) -> Path:
    """Write what `nmevision report` was asked for and return where it lies.

    Raises ConfigError where it was asked for neither or both, or for the form of an unknown modality.
    """
    if form == (predictions is not None):
        raise ConfigError("give the folder of a prediction, or --form with --out FILE, and not both")
    if predictions is not None:
        return write_reader_page(
            predictions, out, heavy_beside=beside, images_from=images, references=references
        )
    known = next((key for key in MODALITIES if key == modality), None)
    if known is None:
        hint = did_you_mean(modality, MODALITIES)
        raise ConfigError(f"--modality: found '{modality}'{hint}; expected one of: {', '.join(MODALITIES)}")
    path = out or Path(f"{known}-form.html")
    write_text(path, form_page(known))
    return path


def form_page(modality: Modality) -> str:
    """Return the page opened empty, as HTML: findings graded by hand, and the differential that follows.

    modality: histology or clinical.
    """
    data = {"mode": "form", "tables": reasoning_tables(load_knowledge(), modality)}
    title = f"Findings form, {'H&E histology' if modality == 'histology' else 'clinical photographs'}"
    return _page(title, data, None, False)


def _page(title: str, data: dict[str, Any], pictures: list[str] | None, beside: bool) -> str:
    """Return the whole page. pictures: None for a page that never shows any."""
    scripts = [_asset(name) for name in (*REASONING, *PAGE)]
    script = "(() => {\n'use strict';\n" + "\n".join(scripts) + "\n})();"
    viewer = _viewer() if pictures is not None else ""
    style = _style()
    whole = [text.replace("</script", "<\\/script") for text in (viewer, script)]
    policy = {
        "default-src": "'none'",
        "script-src": " ".join(_hash(text) for text in whole if text),
        "style-src": _hash(style),
        "img-src": "data:" + (" 'self' file:" if beside else ""),
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    return Template(_asset("page.html")).substitute(
        title=html.escape(title),
        policy="; ".join(f"{name} {value}" for name, value in policy.items()),
        style=style,
        research=html.escape(RESEARCH_ONLY),
        phantom=f'<p class="phantom">{PHANTOMS}</p>' if data.get("about", {}).get("phantom") else "",
        data=_json(data),
        pictures="\n".join(pictures or []),
        viewer=f"<script>{whole[0]}</script>" if viewer else "",
        script=whole[1],
    )


def _style() -> str:
    """Return the house's look (that of the reports), then the page's own."""
    return "\n".join(
        [
            (files("nmevision.reporting") / "templates" / "style.css.j2").read_text(encoding="utf-8"),
            _asset("reader.css"),
            _asset("print.css"),
        ]
    )


def _viewer() -> str:
    """Return OpenSeadragon with its licence, without the name of a map that is not there."""
    lines = _asset(VIEWER).splitlines()
    kept = "\n".join(line for line in lines if not line.startswith("//# sourceMappingURL"))
    return f"/*!\n{_asset('openseadragon.LICENSE.txt')}*/\n{kept}"


def _asset(name: str) -> str:
    return (files("nmevision.reader") / "assets" / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """Return the source expression that allows one inline script or style (CSP level 2)."""
    digest = base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")
    return f"'sha256-{digest}'"


def _json(value: Any) -> str:
    r"""Return JSON that cannot end the element it stands in, whatever its texts hold.

    >>> _json("</script><b>&")
    '"\\u003c/script\\u003e\\u003cb\\u003e\\u0026"'
    """
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
