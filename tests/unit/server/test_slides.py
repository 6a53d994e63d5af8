"""Whole slides through the server: progress by tiles, several files of one slide kept together or refused in words."""

from __future__ import annotations

import io
import threading
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from PIL import Image
from reader_browser import until
from server_world import SOON, Served, drop, image, serving
from slide_files import PATIENT, skin, write_dicom_slide, write_pyramid

from nmevision.inference.predictor import Predictor
from nmevision.server.results import page_of_cases

SERIES = "1.2.826.0.1.3680043.8.498.1"


def rows(served: Served, job: dict[str, Any]) -> pd.DataFrame:
    text = served.ask(f"/api/jobs/{job['id']}/results/predictions.csv").body
    return pd.read_csv(io.BytesIO(text), dtype=str, keep_default_na=False)


def states(job: dict[str, Any]) -> dict[str, str]:
    return {file["name"]: file["state"] for file in job["files"]}


@pytest.fixture(scope="module")
def pyramid(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A small slide of one strip of skin."""
    return write_pyramid(
        tmp_path_factory.mktemp("slide") / "a.tif", skin(4800, 1600)[0], compression="jpeg"
    ).read_bytes()


def test_a_slide_is_answered_by_its_tiles_beside_an_image(served: Served, pyramid: bytes) -> None:
    job = served.done([("scan.tif", pyramid), ("field.png", image())])
    slide, field = job["files"]
    assert slide["state"] in ("ok", "flagged")
    assert "tiles, the diagnosis from" in slide["message"]
    assert slide["tiles"] == slide["tiles_read"] > 1
    assert (field["tiles"], field["state"]) == (None, "ok")
    assert "tiles.csv" in job["results"]
    tiles = pd.read_csv(io.BytesIO(served.ask(job["results"]["tiles.csv"]).body))
    assert len(tiles) == slide["tiles"]


def test_a_job_removed_in_the_middle_of_a_slide_ends_there(bundle_folder: Path, pyramid: bytes) -> None:
    reached, go_on, seen = threading.Event(), threading.Event(), []

    class Halting(Predictor):
        def predict(self, *arguments: Any, watch: Any = None, **more: Any) -> Any:
            def halting(identity: str, done: int, of: int) -> None:
                seen.append(done)
                if done == 2:
                    reached.set()
                    assert go_on.wait(SOON)
                watch(identity, done, of)

            return super().predict(*arguments, watch=halting, **more)

    with serving(Halting.load(bundle_folder)) as served:
        job = served.send([("scan.tif", pyramid)]).json
        assert reached.wait(SOON)
        told = served.ask(f"/api/jobs/{job['id']}").json["files"][0]
        assert (told["state"], told["tiles_read"]) == ("waiting", 1)
        assert told["tiles"] > 2
        assert served.ask(f"/api/jobs/{job['id']}", "DELETE").status == 204
        go_on.set()
        assert served.done([("field.png", image())])["state"] == "done"  # the next one has its turn
        assert seen[-1] == 2
        until(lambda: not (served.desk.folders.root / job["id"]).exists())


def test_the_levels_of_a_dicom_slide_are_one_slide(
    served: Served, predictor: Predictor, tmp_path: Path
) -> None:
    pixels = skin()[0]
    (tmp_path / "scan").mkdir()
    for level, scale in enumerate((1, 2, 4)):
        write_dicom_slide(tmp_path / "scan" / f"{2 - level}.dcm", pixels, 0.5, SERIES, scale)
    truth = predictor.predict(tmp_path).frame
    files = [(f"scan/{n}.dcm", (tmp_path / "scan" / f"{n}.dcm").read_bytes()) for n in range(3)]
    job = served.done([*files, ("field.png", image())])
    assert {name: state == "part" for name, state in states(job).items()} == {
        "scan/0.dcm": True,
        "scan/1.dcm": True,
        "scan/2.dcm": False,
        "field.png": False,
    }
    assert job["files"][0]["message"] == "is part of the slide scan/2.dcm"
    got = rows(served, job)
    assert got["id"].tolist() == ["scan/2.dcm", "field.png"]
    assert float(got["p_nme"][0]) == pytest.approx(float(truth["p_nme"][0]), abs=1e-6)
    for address in job["results"].values():
        assert PATIENT.encode() not in served.ask(address).body


def jpeg(pixels: Any) -> bytes:
    """Return a JPEG with a restart marker after each block, as Hamamatsu's scanners write them."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=90, restart_marker_blocks=8, subsampling=0)
    return stream.getvalue()


def hamamatsu(folder: str = "scan", map_name: str = "a_map.jpg") -> list[tuple[str, bytes]]:
    pixels = skin(1024, 768)[0]
    words = ["[Virtual Microscope Specimen]", "NoLayers=1", "NoJpegColumns=1", "NoJpegRows=1"]
    words += ["ImageFile=a.jpg", f"MapFile={map_name}", "PhysicalWidth=512000", "PhysicalHeight=384000"]
    files = {"a.vms": "\n".join(words).encode(), "a.jpg": jpeg(pixels), "a_map.jpg": jpeg(pixels[::8, ::8])}
    return [(f"{folder}/{name}", content) for name, content in files.items()]


def test_a_hamamatsu_slide_and_its_pictures_are_one_slide(served: Served) -> None:
    job = served.done([*hamamatsu(), ("scan/other.png", image())])
    assert states(job)["scan/a.jpg"] == states(job)["scan/a_map.jpg"] == "part"
    assert states(job)["scan/other.png"] == "ok"
    slide = job["files"][0]
    assert slide["state"] in ("ok", "flagged"), slide
    assert slide["tiles"] > 1


def test_a_mirax_slide_lies_as_its_reader_expects_it(served: Served) -> None:
    ini = b"[GENERAL]\nSLIDE_ID = x\n[HIERARCHICAL]\nINDEXFILE = Index.dat\n[DATAFILE]\nFILE_COUNT = 1\nFILE_0 = Data0000.dat\n"
    files = [
        ("any/b.mrxs", b"\xff\xd8\xff\xe0" + b"\0" * 200),
        ("any/b/Slidedat.ini", ini),
        ("any/b/Index.dat", b"i" * 50),
        ("any/b/Data0000.dat", b"d" * 50),
        ("any/c/Data0000.dat", b"of another slide, which was not sent"),
    ]
    job = served.done([*files, ("field.png", image())])
    assert list(states(job).values()) == ["error", "part", "part", "part", "refused", "ok"]
    assert "a MIRAX slide" in job["files"][0]["message"]  # its parts are no real ones
    assert "belongs to no slide" in job["files"][4]["message"]
    images = served.desk.folders.root / job["id"] / "images"
    assert sorted(path.relative_to(images).as_posix() for path in images.rglob("*") if path.is_file()) == [
        "000001/slide.mrxs",
        "000001/slide/Data0000.dat",
        "000001/slide/Index.dat",
        "000001/slide/Slidedat.ini",
        "000006.png",
    ]


HEAD = b"\xff\xd8\xff\xe0" + b"\0" * 200


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ([("b.mrxs", HEAD)], "the others were not sent: drop the folder"),
        ([("x/b.mrxs", HEAD), ("y/b/Index.dat", b"i")], "the others were not sent: drop the folder"),
        (
            [("b.mrxs", HEAD), ("b/Slidedat.ini", b"[D]\nFILE_0 = ../../../../etc/passwd\n")],
            "names a file elsewhere",
        ),
        ([("b.mrxs", HEAD), ("b/Slidedat.ini", b"[D]\rFILE_0=\\\\host\\share\n")], "names a file elsewhere"),
        ([("b.mrxs", HEAD), ("b/Slidedat.ini", b"x" * 4_000_001)], "names a file elsewhere"),
        ([("b.mrxs", HEAD), ("b/\u00e9.dat", b"d")], "names that are not used here"),
        ([("b.mrxs", HEAD), ("b/a.dat", b"d"), ("b/A.dat", b"d")], "names that are not used here"),
        (hamamatsu(map_name="/etc/a_map.jpg"), "names a file elsewhere"),
    ],
)
def test_what_cannot_be_put_together_safely_is_refused_in_words(
    served: Served, files: list[tuple[str, bytes]], words: str
) -> None:
    job = served.done([*files, ("field.png", image())])
    assert job["files"][0]["state"] == "refused"
    assert words in job["files"][0]["message"]
    assert job["files"][-1]["state"] == "ok"
    assert states(job)["field.png"] == "ok"
    images = served.desk.folders.root / job["id"] / "images"
    assert not list(images.rglob("*.dat")) + list(images.rglob("*.mrxs"))


def test_a_companion_outside_any_folder_is_no_image(served: Served) -> None:
    assert states(served.done([("a.ini", b"[x]\n"), ("field.png", image())]))["a.ini"] == "refused"


class Unhurried(Predictor):
    """Takes its time with each tile, so that a page that asks now and then sees some of them."""

    def predict(self, *arguments: Any, watch: Any = None, **more: Any) -> Any:
        def slowly(identity: str, done: int, of: int) -> None:
            time.sleep(2 / of)
            watch(identity, done, of)

        return super().predict(*arguments, watch=slowly, **more)


@pytest.mark.real
@pytest.mark.slow
def test_a_real_slide_dropped_on_the_page_is_read_tile_by_tile(
    browser: Any, bundle_folder: Path, shared_data: Path
) -> None:
    slide = shared_data / "slides" / "cmu-1-small-region.svs"
    with serving(Unhurried.load(bundle_folder), write_page=page_of_cases) as served:
        by_program = served.done([("real.svs", slide.read_bytes())])["files"][0]
        assert by_program["state"] in ("ok", "flagged")
        browser.get(f"http://127.0.0.1:{served.port}/")
        until(lambda: "tiny" in browser.title)
        browser.execute_script(SEEN)
        drop(browser, ("real.svs", slide.read_bytes()))
        until(lambda: browser.find_elements("css selector", ".job .actions a"))
        assert f"of {by_program['tiles']}" in browser.execute_script("return window.seen.join('\\n')")
        assert browser.find_element("css selector", ".job h2").text.startswith("1 of 1 image read")
        assert "tiles, the diagnosis from" in browser.find_element("css selector", ".job td.name").text
        address = browser.find_element("link text", "Open the cases").get_attribute("href")
        browser.get(address + "#case/0")
        until(lambda: browser.find_elements("css selector", "#image canvas"))
        names = [one.text for one in browser.find_elements("css selector", ".overlays label")]
        assert any("tiles by score" in name for name in names)


SEEN = """
window.seen = [];
new MutationObserver(() => window.seen.push(document.getElementById("jobs").textContent))
  .observe(document.getElementById("jobs"), {subtree: true, childList: true, characterData: true});
"""
