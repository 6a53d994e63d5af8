"""The JSON API: send files, ask how far they are, fetch the answers, remove them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import FileResponse

from nmevision.server.desk import Desk
from nmevision.server.guard import CASES_POLICY
from nmevision.server.limits import Refusal
from nmevision.server.results import OFFERED, PAGE, offered
from nmevision.server.schemas import ErrorAnswer, JobAnswer, ModelAnswer, job_answer, model_answer
from nmevision.server.uploads import Body, FilesWriter, boundary_of, check_size, receive

JobId = Annotated[str, Path(description="as POST /api/jobs gave it", pattern=r"^[\w-]{22}$")]
FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "Files under any field name; other fields are read over. Example: "
        "curl -F files=@1.jpg -F files=@2.jpg http://127.0.0.1:8000/api/jobs",
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "files": {"type": "array", "items": {"type": "string", "format": "binary"}}
                    },
                }
            }
        },
    }
}
"""What POST /api/jobs takes: it is read as it comes, so it says itself what a framework would have read for it."""
ERRORS: dict[int | str, dict[str, Any]] = {
    404: {"model": ErrorAnswer, "description": "No such job (any more)"}
}
UPLOAD_ERRORS: dict[int | str, dict[str, Any]] = {
    400: {"model": ErrorAnswer, "description": "The form cannot be read or holds no file"},
    408: {"model": ErrorAnswer, "description": "Nothing more came"},
    413: {"model": ErrorAnswer, "description": "Too large, or too many files"},
    415: {"model": ErrorAnswer, "description": "No form"},
    503: {"model": ErrorAnswer, "description": "Too many uploads wait: try again after Retry-After seconds"},
    507: {"model": ErrorAnswer, "description": "The disk is full"},
}


def api_of(desk: Desk) -> APIRouter:
    """Return the routes under /api."""
    router = APIRouter(prefix="/api")
    _add_jobs(router, desk)
    _add_results(router, desk)
    return router


def _add_jobs(router: APIRouter, desk: Desk) -> None:
    """Add the routes of the model and of jobs: sent, looked at, removed."""
    keeps = desk.folders.keep is not None

    @router.get(
        "/model", response_description="The model", summary="The model, its notices and the server's limits"
    )
    def model() -> ModelAnswer:
        return model_answer(desk.bundle, desk.limits, keeps)

    @router.post(
        "/jobs",
        status_code=201,
        summary="Send files",
        response_description="The new job",
        openapi_extra=FORM,
        responses=UPLOAD_ERRORS,
    )
    async def send(request: Request, response: Response) -> JobAnswer:
        body = Body(request)
        try:
            boundary = boundary_of(request.headers.get("content-type", ""))
            told = request.headers.get("content-length", "")
            check_size(int(told) if told.isdecimal() else 0, desk.limits)
            with desk.admit() as (job, room):
                writer = FilesWriter(boundary, job.images, desk.limits, room)
                job.files = await receive(body, writer, desk.limits)
        except Refusal:
            await body.read_over()
            raise
        response.headers["location"] = f"/api/jobs/{job.id}"
        return job_answer(job, desk.waiting_before(job), desk.limits, keeps)

    @router.get(
        "/jobs/{job_id}",
        response_description="The job",
        responses=ERRORS,
        summary="How far a job is, file by file",
    )
    def look(job_id: JobId) -> JobAnswer:
        job = desk.get(job_id)
        return job_answer(job, desk.waiting_before(job), desk.limits, keeps)

    @router.delete(
        "/jobs/{job_id}",
        status_code=204,
        response_description="Removed",
        responses=ERRORS,
        summary="Remove a job with its files",
    )
    def remove(job_id: JobId) -> None:
        desk.remove(job_id)


def _add_results(router: APIRouter, desk: Desk) -> None:
    """Add the routes of what a job leaves: its tables and its page."""

    @router.get(
        "/jobs/{job_id}/results/{name}",
        response_description="The file",
        responses=ERRORS,
        summary="Download a result",
    )
    def result(job_id: JobId, name: Annotated[str, Path(description=", ".join(OFFERED))]) -> FileResponse:
        job = desk.get(job_id)
        if name not in offered(job):
            raise Refusal(404, "no such result; the job's `results` name what there is")
        return FileResponse(job.results / name, media_type=OFFERED[name], filename=name)

    @router.get(
        "/jobs/{job_id}/page",
        response_description="The page",
        responses=ERRORS,
        summary="The page of cases, to be opened in a browser",
    )
    def page(job_id: JobId) -> FileResponse:
        job = desk.get(job_id)
        if PAGE not in offered(job):
            raise Refusal(404, "this job has no page of cases (yet)")
        headers = {"content-security-policy": CASES_POLICY}
        return FileResponse(job.results / PAGE, media_type=OFFERED[PAGE], headers=headers)
