"""The API as a program uses it, over a real server on loopback."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from image_bytes import encode, picture
from PIL import Image
from server_world import Served, image, serving

from nmevision.inference.predictor import Predictor

PLANTED = "Planted Photographer 4711"
TABLES = ["predictions.csv", "cases.csv", "files.csv", "run.json", "report.html", "nmevision-results.zip"]


def table(served: Served, job: dict[str, object], name: str) -> pd.DataFrame:
    text = served.ask(f"/api/jobs/{job['id']}/results/{name}").body
    return pd.read_csv(io.BytesIO(text), dtype=str, keep_default_na=False)


def test_the_model_says_what_it_is_and_what_is_taken(served: Served) -> None:
    model = served.ask("/api/model").json
    assert model["name"] == "tiny"
    assert model["phantom"] is True
    assert model["diagnoses"]["nme"] == "necrolytic migratory erythema"
    assert model["groups"]["necrolytic"] == "necrolytic"
    assert sum("phantoms" in words for words in model["notices"]) == 1
    assert sum("Not a medical device" in words for words in model["notices"]) == 1
    assert model["limits"]["files"] == served.desk.limits.files


def test_answers_are_those_of_the_predictor_itself(
    served: Served, predictor: Predictor, tmp_path: Path
) -> None:
    sent = {f"biopsy {n}.png": image(n) for n in range(3)}
    for name, data in sent.items():
        (tmp_path / name).write_bytes(data)
    truth = predictor.predict(tmp_path)
    job = served.done(list(sent.items()))
    assert job["state"] == "done"
    assert job["counts"] == {"waiting": 0, "ok": 3, "flagged": 0, "error": 0, "part": 0, "refused": 0}
    got = table(served, job, "predictions.csv")
    assert got["id"].tolist() == list(sent)
    columns = [f"p_{key}" for key in truth.diagnoses]
    np.testing.assert_allclose(got[columns].astype(float), truth.probabilities(), atol=1e-6)
    for file, row in zip(job["files"], truth.frame.to_dict("records"), strict=True):
        assert file["diagnosis"] == row["diagnosis"]
        assert file["probability"] == pytest.approx(row[f"p_{row['diagnosis']}"], abs=1e-6)
        assert file["group"] == row["group"]
        assert file["group_probability"] == pytest.approx(row[f"p_group_{row['group']}"], abs=1e-6)


def test_one_bad_file_never_hurts_another(served: Served) -> None:
    alone = served.done([("good.png", image(5))])["files"][0]
    bomb = encode(np.zeros((1, 1, 3), np.uint8), "PNG")
    bomb = bomb[:16] + (60_000).to_bytes(4, "big") * 2 + bomb[24:]
    bad = [("cut.png", image(1)[:900]), ("words.txt", b"hello"), ("bomb.png", bomb), ("slide.svs", b"II*\0")]
    job = served.done([*bad, ("good.png", image(5)), ("empty.png", b"")])
    assert [file["state"] for file in job["files"]] == ["error", "refused", "error", "error", "ok", "error"]
    messages = {file["name"]: file["message"] for file in job["files"]}
    assert messages["cut.png"].startswith("is a PNG that is cut short")
    assert messages["words.txt"].startswith("holds text")
    assert "pixels, more than the limit" in messages["bomb.png"] or "damaged" in messages["bomb.png"]
    assert messages["empty.png"].startswith("is empty")
    assert not any("0000" in words for words in messages.values())  # the names of our own are not told
    good = job["files"][4]
    assert good["probability"] == pytest.approx(alone["probability"], abs=1e-6)
    assert table(served, job, "files.csv")["state"].tolist() == [file["state"] for file in job["files"]]


def test_everything_can_be_downloaded_and_nothing_else(served: Served) -> None:
    job = served.done([("a.png", image()), ("b.png", image(1))])
    assert list(job["results"]) == TABLES
    for name, address in job["results"].items():
        got = served.ask(address)
        assert got.status == 200
        assert got.headers["content-disposition"] == f'attachment; filename="{name}"'
    with zipfile.ZipFile(io.BytesIO(served.ask(job["results"]["nmevision-results.zip"]).body)) as archive:
        assert sorted(archive.namelist()) == sorted(TABLES[:-1])
        assert archive.read("predictions.csv") == served.ask(job["results"]["predictions.csv"]).body
    page = served.ask(job["page"])
    assert b"2 rows, 2 images" in page.body
    assert "content-disposition" not in page.headers
    assert page.headers["content-security-policy"].startswith("sandbox allow-scripts")
    assert "allow-same-origin" not in page.headers["content-security-policy"]
    for name in (
        "../images/000001.png",
        "..%2fimages%2f000001.png",
        "%2e%2e/images/000001.png",
        "lock",
        "%00",
    ):
        got = served.ask(f"/api/jobs/{job['id']}/results/{name}")
        assert got.status in (400, 404), name
        assert b"PNG" not in got.body


def test_no_metadata_of_a_photo_leaves_the_server(served: Served) -> None:
    exif = Image.Exif()
    exif[0x013B] = PLANTED  # artist
    exif[0x9286] = PLANTED
    stream = io.BytesIO()
    Image.fromarray(picture(seed=3)).save(stream, "JPEG", exif=exif, comment=PLANTED.encode())
    assert PLANTED.encode() in stream.getvalue()
    job = served.done([(f"/home/{PLANTED}/private/1.jpg", stream.getvalue())])
    assert job["files"][0]["name"] == "1.jpg"
    assert job["counts"]["error"] == 0
    for address in job["results"].values():
        assert PLANTED.encode() not in served.ask(address).body
        assert str(served.desk.folders.root).encode() not in served.ask(address).body


HOSTILE = [
    "../../../etc/passwd.png",
    b"a\x00b.png",
    "\u202egpj.exe.png",
    "<script>alert(1)</script>.png",
    "'\"><img src=x onerror=alert(1)>.png",
    "=cmd|' /C calc'!A0.png",
    "a" * 10_000 + ".png",
    b"\xff\xfe\xfd.png",
    "a%0d%0aSet-Cookie: x.png",
    "{{ 7*7 }}.png",
    "\u212b\u0301\U0001f9ec.png",
    "same.png",
    "same.png",
]


def test_hostile_names_are_text_in_every_table(served: Served, tmp_path: Path) -> None:
    job = served.done([(name, image(n)) for n, name in enumerate(HOSTILE)])
    assert job["counts"]["ok"] == len(HOSTILE)
    names = [file["name"] for file in job["files"]]
    assert len(set(names)) == len(HOSTILE)
    assert max(map(len, names)) < 160
    for name in ("predictions.csv", "files.csv"):
        rows = list(csv.DictReader(io.StringIO(served.ask(job["results"][name]).body.decode())))
        assert [row["id" if "id" in row else "name"] for row in rows] == names
        assert not any(cell.startswith(("=", "@")) for row in rows for cell in row.values())
    stored = sorted(path.name for path in (served.desk.folders.root / job["id"] / "images").iterdir())
    assert stored == [f"{n:06d}.png" for n in range(1, len(HOSTILE) + 1)]


def test_nothing_but_refused_files_is_a_failed_job_that_says_why(served: Served) -> None:
    job = served.done([("a.txt", b"hello")])
    assert (job["state"], job["results"], job["page"]) == ("failed", {}, None)
    assert "each says why" in job["message"]
    assert served.ask(f"/api/jobs/{job['id']}/page").status == 404


def test_a_removed_job_is_gone_with_its_files(served: Served) -> None:
    job = served.done([("a.png", image())])
    folder = served.desk.folders.root / job["id"]
    assert folder.is_dir()
    assert served.ask(f"/api/jobs/{job['id']}", "DELETE").status == 204
    assert not folder.exists()
    for path in ("", "/page", "/results/predictions.csv"):
        assert "no such job" in served.ask(f"/api/jobs/{job['id']}{path}").error
    assert served.ask(f"/api/jobs/{job['id']}", "DELETE").status == 404


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [
        ("/api/jobs/" + "a" * 22, "GET", 404),
        ("/api/jobs/..%2f..", "GET", 404),
        ("/api/nothing", "GET", 404),
        ("/nothing", "GET", 404),
        ("/../../etc/passwd", "GET", 404),
        ("/page.js/..", "GET", 404),
        ("/api/jobs", "GET", 405),
        ("/api/model", "POST", 405),
    ],
)
def test_what_is_not_there_is_said_in_words(served: Served, path: str, method: str, status: int) -> None:
    got = served.ask(path, method)
    assert got.status == status
    words = got.error if path.startswith("/api/") else got.body.decode()
    assert re.search("no such job|nothing at this address|not asked", words)
    assert "Traceback" not in words


@pytest.mark.parametrize(
    "path", ["/", "/page.js", "/page.css", "/docs", "/openapi.json", "/api/model", "/nothing"]
)
def test_every_answer_forbids_what_a_page_could_be_abused_for(served: Served, path: str) -> None:
    headers = served.ask(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert "set-cookie" not in headers
    assert (
        "server" not in headers or "uvicorn" in headers["server"]
    )  # the thread of this test does not hide it
    assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize("path", ["/", "/docs", "/page.js", "/page.css"])
def test_pages_load_nothing_from_elsewhere_and_hold_nothing_inline(served: Served, path: str) -> None:
    text = served.ask(path).body.decode()
    assert not re.search(r"(?:src|href)=[\"']?(?:https?:)?//", text)
    assert not re.search(r"<style|<script(?![^>]* src=)|\son\w+=|style=\"", text)
    assert "innerHTML" not in text
    assert "@import" not in text


def test_the_description_names_every_address(served: Served) -> None:
    api = served.ask("/openapi.json").json
    assert api["openapi"].startswith("3.")
    assert set(api["paths"]) == {
        "/api/model",
        "/api/jobs",
        "/api/jobs/{job_id}",
        "/api/jobs/{job_id}/results/{name}",
        "/api/jobs/{job_id}/page",
    }
    files = api["paths"]["/api/jobs"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert files["properties"]["files"]["items"] == {"type": "string", "format": "binary"}
    docs = served.ask("/docs").body.decode()
    assert all(f"<code>{path}</code>" in docs for path in api["paths"])


def test_a_page_that_cannot_be_made_costs_no_table(predictor: Predictor) -> None:
    def fails(results: Path, images: Path) -> None:
        raise RuntimeError("no page today")

    with serving(predictor, write_page=fails) as served:
        job = served.done([("a.png", image())])
        assert job["state"] == "done"
        assert "could not be made" in job["message"]
        assert job["page"] is None
        assert "report.html" not in job["results"]
        assert served.ask(job["results"]["predictions.csv"]).status == 200


def test_a_prediction_that_fails_does_not_stop_the_server(
    predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(predictor) as served:
        with monkeypatch.context() as patch:
            patch.setattr(Predictor, "predict", lambda *a, **k: 1 / 0)
            job = served.done([("a.png", image())])
            assert job["state"] == "failed"
            assert "ZeroDivisionError" in job["message"]
        assert served.done([("a.png", image())])["state"] == "done"
