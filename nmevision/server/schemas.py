"""What the API says, as /openapi.json describes it."""

from __future__ import annotations

import datetime

from pydantic import BaseModel, Field

from nmevision.networks.bundle import Bundle
from nmevision.networks.card import RESEARCH_USE, what_slides_cannot_tell
from nmevision.server.jobs import FileState, Job, JobState
from nmevision.server.limits import Limits
from nmevision.server.results import PAGE, offered

PHANTOM_NOTICE = (
    "This model was trained on phantoms (synthetic images): its answers say nothing about disease."
)


class FileAnswer(BaseModel):
    """One uploaded file."""

    number: int = Field(description="its place in the upload, from 1")
    name: str = Field(description="what it is called here; a row's id in predictions.csv")
    state: FileState = Field(
        description="waiting; ok: answered; flagged: answered, but read the message; error: not answered; "
        "part: belongs to a slide of several files; refused: not taken from the upload"
    )
    message: str = Field(description="what there is to say about it, going on from its name")
    diagnosis: str = Field(
        description="the most probable diagnosis of the model's list, once the job is done"
    )
    probability: float | None = Field(description="of that diagnosis, calibrated, 0 to 1")
    group: str = Field(description="the most probable group of diagnoses: what an H&E section can tell")
    group_probability: float | None = Field(description="of that group, 0 to 1")
    tiles: int | None = Field(description="of a whole slide, once they are known; null for an image")
    tiles_read: int = Field(description="how many of them are read")


class JobAnswer(BaseModel):
    """One upload and how far it is."""

    id: str = Field(description="who knows it may see and remove the job")
    state: JobState = Field(description="waiting for the network, running, done, or failed: see `message`")
    message: str = Field(description="what there is to say of the whole upload")
    waiting_before: int = Field(description="uploads that the network sees first")
    counts: dict[str, int] = Field(description="files by state")
    files: list[FileAnswer] = Field(description="in the order in which they were sent")
    results: dict[str, str] = Field(description="name of a file to download -> its address; empty until done")
    page: str | None = Field(description="address of the page of cases, once there is one")
    removed_at: datetime.datetime | None = Field(
        description="when it is removed, UTC; null while it is at work, or where the server keeps it"
    )


class LimitsAnswer(BaseModel):
    """What the server takes at most."""

    file_bytes: int
    upload_bytes: int
    files: int
    kept_seconds: float | None = Field(description="how long a finished job is held; null: until removed")


class ModelAnswer(BaseModel):
    """The model that answers, and what the server takes."""

    name: str
    hash: str = Field(description="SHA-256 of bundle.json, which names the hashes of all the rest")
    modality: str = Field(description="histology or clinical: which images it was trained on")
    diagnoses: dict[str, str] = Field(description="key -> name")
    groups: dict[str, str] = Field(description="key -> name")
    phantom: bool = Field(description="trained on synthetic images: its answers say nothing about disease")
    notices: list[str] = Field(description="what has to be read before the answers")
    limits: LimitsAnswer


class ErrorAnswer(BaseModel):
    """Why a request was not answered as asked."""

    error: str


def job_answer(job: Job, waiting_before: int, limits: Limits, keeps: bool) -> JobAnswer:
    """Return what is said of a job. keeps: whether its folder stays when the server forgets it."""
    names = offered(job)
    here = f"/api/jobs/{job.id}"
    gone = None if job.finished is None or keeps else job.finished + limits.forget_after
    return JobAnswer(
        id=job.id,
        state=job.state,
        message=job.message,
        waiting_before=waiting_before,
        counts=job.counts(),
        files=[
            FileAnswer(
                number=file.number,
                name=file.name,
                state=file.state,
                message=file.message,
                diagnosis=file.diagnosis,
                probability=file.probability,
                group=file.group,
                group_probability=file.group_probability,
                tiles=file.tiles,
                tiles_read=file.tiles_read,
            )
            for file in list(job.files)
        ],
        results={name: f"{here}/results/{name}" for name in names},
        page=f"{here}/page" if PAGE in names else None,
        removed_at=None if gone is None else datetime.datetime.fromtimestamp(gone, datetime.UTC),
    )


def model_answer(bundle: Bundle, limits: Limits, keeps: bool) -> ModelAnswer:
    """Return what is said of the model; RESEARCH_USE comes last of its notices."""
    info = bundle.info
    limit = what_slides_cannot_tell(info)
    return ModelAnswer(
        name=info.name,
        hash=bundle.hash,
        modality=info.modality,
        diagnoses={one.key: one.name for one in info.taxonomy.diagnoses},
        groups={one.key: one.name for one in info.taxonomy.groups},
        phantom=info.phantom,
        notices=[PHANTOM_NOTICE] * info.phantom + [limit] * bool(limit) + [RESEARCH_USE],
        limits=LimitsAnswer(
            file_bytes=limits.file_bytes,
            upload_bytes=limits.job_bytes,
            files=limits.files,
            kept_seconds=None if keeps else limits.forget_after,
        ),
    )
