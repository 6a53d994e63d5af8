"""The page as a file: one file, nothing loaded, nothing of this machine or of the image's metadata, nothing injected."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
from pathlib import Path

import pytest
from PIL import Image
from reader_folder import HOSTILE, SECRET, add_overlays, data_of, make_folder, pictures_in
from typer.testing import CliRunner

from nmevision.cli.app import app
from nmevision.errors import ConfigError, NmevisionError, RunError
from nmevision.reader import page as page_module
from nmevision.reader import pictures
from nmevision.reader.page import form_page, write_page, write_reader_page
from nmevision.reader.pictures import inside


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of eight predictions with overlays of one."""
    made = tmp_path_factory.mktemp("answers")
    make_folder(made, 8)
    add_overlays(made, "sub/case 0004.jpg")
    return made


@pytest.fixture(scope="module")
def page(folder: Path) -> str:
    return write_reader_page(folder).read_text(encoding="utf-8")


def scripts_of(html: str) -> list[str]:
    return re.findall(r"<script>(.*?)</script>", html, re.DOTALL)


def test_only_the_pages_own_scripts_and_style_may_run(page: str) -> None:
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)
    assert policy is not None
    rules = dict(rule.split(" ", 1) for rule in policy[1].split("; "))
    assert rules["default-src"] == "'none'"
    assert rules["img-src"] == "data:"
    hashes = {
        "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"
        for text in scripts_of(page)
    }
    assert len(hashes) == 2
    assert set(rules["script-src"].split()) == hashes
    style = re.search(r"<style[^>]*>(.*?)</style>", page, re.DOTALL)
    assert style is not None
    assert base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode() in rules["style-src"]
    assert "unsafe" not in policy[1]
    outside = re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL)
    assert not re.search(r'(src|href)="(?!#)', outside)  # nothing is loaded, nothing is linked


def test_nothing_of_a_table_is_markup(page: str) -> None:
    outside = re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL)
    assert "<script>alert" not in outside
    assert "onerror" not in outside.replace("onerror=alert(2)\\u003e", "")
    assert "<b>cut short" not in outside
    assert "of the test &lt;b&gt;" in outside
    assert data_of(page)["rows"][2]["id"] == HOSTILE.replace("/", "_")


def test_no_path_of_this_machine_and_no_metadata(page: str, folder: Path) -> None:
    assert str(folder) not in page
    assert str(Path.home()) + "/" not in page
    for uri in pictures_in(page):
        content = base64.b64decode(uri.removeprefix("data:image/webp;base64,"))
        assert SECRET.encode() not in content
        assert not dict(Image.open(io.BytesIO(content)).getexif())


def test_rows_hold_what_the_table_says(page: str, folder: Path) -> None:
    data = data_of(page)
    assert [row["status"] for row in data["rows"]] == ["error", "flagged", *["ok"] * 6]
    assert "p" not in data["rows"][0]
    assert abs(sum(data["rows"][5]["p"]) - 1) < 1e-6
    assert data["target"]["diagnoses"] == ["nme", "pellagra"]
    assert data["patients"]["patient 0"]["answered"] == 1
    assert data["rows"][4]["overlays"][0][0] == "necrolytic pattern"
    assert data["pictures"]["missing"] == 1  # the one whose path leads out of the folder


def test_a_path_out_of_the_folder_is_never_followed(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "secret.png").write_bytes(b"x")
    (tmp_path / "in" / "link.png").symlink_to(tmp_path / "secret.png")
    (tmp_path / "in" / "own.png").write_bytes(b"x")
    assert inside(tmp_path / "in", "own.png") == (tmp_path / "in" / "own.png").resolve()
    for name in (
        "../secret.png",
        str(tmp_path / "secret.png"),
        "link.png",
        "",
        ".",
        "none.png",
        "a\0b",
        "x" * 5000,
    ):
        assert inside(tmp_path / "in", name) is None


def test_overlays_of_the_index_are_drawn_with_their_values(tmp_path: Path) -> None:
    make_folder(tmp_path, 6, hostile=False)
    own = tmp_path / "overlays" / "odd-name"
    own.mkdir(parents=True)
    Image.new("RGBA", (16, 16), (9, 9, 9, 99)).save(own / "parakeratosis.png")
    maps = [
        {"file": "odd-name/parakeratosis.png", "name": "parakeratosis", "value": 2.25},
        {"file": "../predictions.csv", "name": "out of the folder", "value": 1},
    ]
    index = {"images": [{"id": "sub/case 0003.jpg", "maps": maps}]}
    (tmp_path / "overlays" / "index.json").write_text(json.dumps(index))
    rows = data_of(write_reader_page(tmp_path).read_text(encoding="utf-8"))["rows"]
    assert [name for name, _ in rows[3]["overlays"]] == ["parakeratosis 2.25"]
    assert rows[4]["overlays"] == []


def test_images_shrink_until_all_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_folder(tmp_path, 6, side=600, hostile=False)
    monkeypatch.setattr(pictures, "BUDGET", 40_000)
    page = write_reader_page(tmp_path)
    stored = pictures_in(page.read_text(encoding="utf-8"))
    sizes = [len(base64.b64decode(uri.partition(",")[2])) for uri in stored]
    assert 10_000 < sum(sizes) < 44_000


def test_large_images_lie_beside_the_page_on_request(tmp_path: Path) -> None:
    make_folder(tmp_path / "answers", 6, side=700, hostile=False)
    page = write_reader_page(tmp_path / "answers", tmp_path / "read me.html", heavy_beside=True)
    files = sorted((tmp_path / "read me_files").iterdir())
    assert [file.name for file in files] == [f"{i:05d}.webp" for i in range(2, 7)]
    assert Image.open(files[0]).size == (700, 700)
    stored = pictures_in(page.read_text(encoding="utf-8"))
    assert "read%20me_files/00002.webp" in stored
    assert not any(SECRET.encode() in file.read_bytes() for file in files)


def test_without_images_the_page_says_so(folder: Path, tmp_path: Path) -> None:
    data = data_of(write_reader_page(folder, tmp_path / "p.html", images=False).read_text(encoding="utf-8"))
    assert data["pictures"]["wanted"] is False
    assert all("thumbnail" not in row for row in data["rows"])


def test_a_model_without_findings_is_read_too(tmp_path: Path) -> None:
    make_folder(tmp_path, 5, hostile=False)
    facts = json.loads((tmp_path / "run.json").read_text())
    facts["model"] = {"temperature": 1.0, "unlearned": [], "fusion": None, "validation": {}}
    (tmp_path / "run.json").write_text(json.dumps(facts))
    assert data_of(write_reader_page(tmp_path).read_text(encoding="utf-8"))["routes"] is None


def test_a_folder_without_a_whole_prediction_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"run\.json.*nmevision predict"):
        write_reader_page(tmp_path)
    make_folder(tmp_path / "a", 5, hostile=False)
    facts = json.loads((tmp_path / "a" / "run.json").read_text())
    facts["taxonomy"]["diagnoses"] = facts["taxonomy"]["diagnoses"][:4]
    (tmp_path / "a" / "run.json").write_text(json.dumps(facts))
    with pytest.raises(NmevisionError):
        write_reader_page(tmp_path / "a")


def test_the_form_is_the_page_without_images() -> None:
    html = form_page("clinical")
    assert data_of(html)["mode"] == "form"
    assert len(scripts_of(html)) == 1  # no viewer
    assert len(html) < 2_000_000
    assert len(data_of(html)["tables"]["findings"]) == 44


def test_the_verb_wants_a_folder_or_the_form(tmp_path: Path) -> None:
    out = tmp_path / "form.html"
    assert write_page(None, out, True, "histology", None, False) == out
    with pytest.raises(ConfigError, match="--form"):
        write_page(None, out, False, "histology", None, False)
    with pytest.raises(ConfigError, match="did you mean 'histology'"):
        write_page(None, out, True, "histolgy", None, False)


def test_equal_input_makes_equal_pages(folder: Path, tmp_path: Path, page: str) -> None:
    again = write_reader_page(folder, tmp_path / "again.html").read_text(encoding="utf-8")
    assert (again == page) is True  # not `again == page`: their difference takes minutes to print


def test_the_verb_writes_page_and_form(folder: Path, tmp_path: Path) -> None:
    run = CliRunner()
    done = run.invoke(app, ["report", str(folder), "--out", str(tmp_path / "a.html")])
    assert (done.exit_code, done.stdout.strip()) == (0, str(tmp_path / "a.html"))
    done = run.invoke(app, ["report", "--form", "--modality", "clinical", "--out", str(tmp_path / "b.html")])
    assert done.exit_code == 0
    assert "clinical photographs" in (tmp_path / "b.html").read_text(encoding="utf-8")


def test_no_script_is_forgotten_and_none_is_long() -> None:
    assets = {path.name: path for path in (Path(page_module.__file__).parent / "assets").glob("*.js")}
    assert set(assets) == {*page_module.REASONING, *page_module.PAGE, page_module.VIEWER}
    own = {name: len(path.read_text().splitlines()) for name, path in assets.items() if ".min." not in name}
    assert {name: lines for name, lines in own.items() if lines > 350} == {}
