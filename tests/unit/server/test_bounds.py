"""What is too much is refused in words, and the server stays as it was."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest
from server_world import BOUNDARY, SOON, PatientPredictor, Served, form, image, noise, serving, stub_page

from nmevision.inference.predictor import Predictor
from nmevision.server.desk import Desk
from nmevision.server.folders import PREFIX, JobFolders, remove_leftovers
from nmevision.server.jobs import JobFile
from nmevision.server.limits import Limits, Refusal

SMALL = Limits(file_bytes=100_000, job_bytes=400_000, files=5, all_bytes=500_000)


def folders_of(served: Served) -> list[Path]:
    """Return the jobs that lie on the disk."""
    return [path for path in served.desk.folders.root.iterdir() if path.is_dir()]


def test_sizes_and_counts(predictor: Predictor) -> None:
    with serving(predictor, SMALL) as served:
        job = served.done([("a.png", image()), ("huge.bmp", noise(250)), ("b.png", image(1))])
        assert [file["state"] for file in job["files"]] == ["ok", "refused", "ok"]
        assert "larger than 100 KB" in job["files"][1]["message"]
        before = folders_of(served)

        many = served.send((f"{n}.png", image()) for n in range(6))
        assert (many.status, "more than 5 files" in many.error) == (413, True)
        told = served.send([("a.bmp", noise(400))])
        assert (told.status, "larger than 400 KB" in told.error) == (413, True)
        kind = f"multipart/form-data; boundary={BOUNDARY.decode()}"
        body = form([("a.bmp", noise(400))])
        pieces = (body[i : i + 9_000] for i in range(0, len(body), 9_000))
        untold = served.ask("/api/jobs", "POST", pieces, content_type=kind)  # chunked: its size is not told
        assert (untold.status, "larger than 400 KB" in untold.error) == (413, True)
        assert served.ask("/api/jobs", "POST", b"{}", content_type="application/json").status == 415
        assert served.send([]).status == 400
        assert folders_of(served) == before  # a refused upload leaves nothing


def test_room_is_given_back_when_jobs_are_removed(predictor: Predictor) -> None:
    with serving(predictor, SMALL) as served:
        jobs = [served.done([(f"{n}.bmp", noise(180, n)) for n in range(2)]) for _ in range(2)]
        full = served.send([(f"{n}.bmp", noise(180, n)) for n in range(2)])
        assert (full.status, full.headers["retry-after"]) == (503, "15")
        assert "the server holds 500 KB already" in full.error
        served.ask(f"/api/jobs/{jobs[0]['id']}", "DELETE")
        assert served.done([("0.bmp", noise(180))])["state"] == "done"


def test_a_full_queue_says_so_and_empties_in_order(patient: PatientPredictor) -> None:
    with serving(patient, Limits(queue=2)) as served:
        sent = [served.send([("a.png", image())]).json["id"]]
        assert patient.begun.wait(SOON)
        sent += [served.send([("a.png", image())]).json["id"] for _ in range(2)]
        assert [served.ask(f"/api/jobs/{one}").json["waiting_before"] for one in sent] == [0, 1, 2]
        full = served.send([("a.png", image())])
        assert (full.status, full.headers["retry-after"]) == (503, "15")
        assert "2 uploads wait already" in full.error
        assert served.ask("/api/model").status == 200  # the loop is free while the network works
        patient.allowed.set()
        assert [served.wait(one)["state"] for one in sent] == ["done"] * 3
        assert served.send([("a.png", image())]).status == 201


def test_removing_a_job_that_waits_or_is_at_work(patient: PatientPredictor) -> None:
    with serving(patient) as served:
        first, second = (served.send([("a.png", image())]).json["id"] for _ in range(2))
        assert patient.begun.wait(SOON)
        for one in (first, second):
            assert served.ask(f"/api/jobs/{one}", "DELETE").status == 204
            assert served.ask(f"/api/jobs/{one}").status == 404
        third = served.send([("a.png", image())]).json["id"]
        patient.allowed.set()
        assert served.wait(third)["state"] == "done"
        assert [path.name for path in folders_of(served)] == [third]


def test_a_silent_or_broken_upload_leaves_nothing(predictor: Predictor) -> None:
    head = (
        f"POST /api/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9999\r\n"
        f"Content-Type: multipart/form-data; boundary={BOUNDARY.decode()}\r\n\r\n"
    )
    with serving(predictor, Limits(silence=2)) as served:
        with socket.create_connection(("127.0.0.1", served.port), timeout=SOON) as silent:
            silent.sendall(head.encode() + form([("a.png", image())])[:300])
            said = silent.recv(4000)
            assert b" 408 " in said
        with socket.create_connection(("127.0.0.1", served.port), timeout=SOON) as broken:
            broken.sendall(head.encode() + form([("a.png", image())])[:300])
        job = served.done([("a.png", image())])
        assert job["state"] == "done"
        end = time.monotonic() + SOON
        while len(folders_of(served)) > 1 and time.monotonic() < end:
            time.sleep(0.05)
        assert [path.name for path in folders_of(served)] == [job["id"]]


def test_a_finished_job_is_forgotten_in_time(predictor: Predictor) -> None:
    with serving(predictor, Limits(forget_after=4)) as served:
        job = served.done([("a.png", image())])
        assert job["removed_at"] is not None
        end = time.monotonic() + SOON
        while folders_of(served) and time.monotonic() < end:
            time.sleep(0.1)
        assert served.ask(f"/api/jobs/{job['id']}").status == 404


def test_kept_uploads_outlive_the_server_and_others_do_not(predictor: Predictor, tmp_path: Path) -> None:
    with serving(predictor, keep=tmp_path / "kept") as served:
        job = served.done([("a.png", image())])
        assert job["removed_at"] is None
        served.desk.forget(time.time() + 1e6)
        assert served.ask(f"/api/jobs/{job['id']}").status == 404
        other = served.done([("a.png", image())])
        served.ask(f"/api/jobs/{other['id']}", "DELETE")
    (kept,) = (tmp_path / "kept").iterdir()
    assert kept.name.endswith(job["id"])
    assert (kept / "images" / "000001.png").read_bytes() == image()
    assert (kept / "results" / "predictions.csv").is_file()

    with serving(predictor) as served:
        served.done([("a.png", image())])
        root = served.desk.folders.root
        assert root.stat().st_mode & 0o077 == 0
    assert not root.exists()


def test_shutting_down_in_mid_work_leaves_nothing(patient: PatientPredictor) -> None:
    with serving(patient) as served:
        served.send([("a.png", image())])
        served.send([("b.png", image())])
        assert patient.begun.wait(SOON)
        root = served.desk.folders.root
        patient.allowed.set()
    assert not root.exists()


def test_a_network_that_does_not_stop_is_not_waited_for_and_leaves_nothing_either(
    patient: PatientPredictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nmevision.server.desk.PATIENCE", 0.1)
    desk = Desk(patient, JobFolders(), Limits(), stub_page)
    with desk.admit() as (job, _):
        (job.images / "000001.png").write_bytes(image())
        job.files = [JobFile(1, "a.png", "000001.png")]
    assert patient.begun.wait(SOON)
    assert not desk.close()
    assert not desk.folders.root.exists()
    patient.allowed.set()
    desk._worker.join(SOON)
    assert desk.close()
    assert not desk.folders.root.exists()
    with pytest.raises(Refusal, match="shutting down"), desk.admit():
        pass


def test_what_a_killed_server_left_is_removed_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    alive, killed, foreign = JobFolders(), JobFolders(), tmp_path / f"{PREFIX}no-lock"
    assert killed._held is not None
    killed._held.close()  # as the kernel does
    foreign.mkdir()
    assert remove_leftovers() == 1
    assert sorted(tmp_path.iterdir()) == sorted([alive.root, foreign])
    alive.close()
    assert list(tmp_path.iterdir()) == [foreign]
