"""What a finished job offers for download: the tables, the page of cases, the list of files, and all in one archive."""

from __future__ import annotations

import logging
import zipfile
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from nmevision.files import atomic_path, write_csv
from nmevision.server.jobs import Job

PageWriter = Callable[[Path, Path], object]
"""Makes report.html in the first folder, that of the predictions; in the second lie the images."""
PAGE, FILES, ARCHIVE = "report.html", "files.csv", "nmevision-results.zip"
OFFERED = {
    "predictions.csv": "text/csv; charset=utf-8",
    "cases.csv": "text/csv; charset=utf-8",
    FILES: "text/csv; charset=utf-8",
    "tiles.csv": "text/csv; charset=utf-8",
    "run.json": "application/json",
    PAGE: "text/html; charset=utf-8",
    ARCHIVE: "application/zip",
}
"""Name -> media type of what can be downloaded; the archive has the outlines of a slide's tiles as well."""
_log = logging.getLogger("nmevision.server")


def page_of_cases(results: Path, images: Path) -> Path:
    """Write the page that a prediction is read on, as one file."""
    from nmevision.reader.page import write_reader_page

    return write_reader_page(results, results / PAGE, images_from=images)


def write_results(job: Job, write_page: PageWriter) -> str:
    """Add the list of files, the page and the archive to what the prediction has written; return what is amiss."""
    amiss = ""
    rows = [
        {
            "number": file.number,
            "name": file.name,
            "bytes": file.size,
            "state": file.state,
            "message": file.message,
        }
        for file in job.files
    ]
    write_csv(job.results / FILES, pd.DataFrame(rows))
    try:
        write_page(job.results, job.images)
    except Exception:  # the answers stand without their page
        _log.exception("the page of cases could not be made")
        amiss = "The page of cases could not be made; the tables are whole."
    with (
        atomic_path(job.results / ARCHIVE) as temporary,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as out,
    ):
        for path in sorted(job.results.rglob("*")):
            if path.is_file() and not path.name.startswith(".") and path.name != ARCHIVE:
                out.write(path, path.relative_to(job.results).as_posix())
    return amiss


def offered(job: Job) -> list[str]:
    """Return the names of what can be downloaded now."""
    if job.state != "done":
        return []
    return [name for name in OFFERED if (job.results / name).is_file()]
