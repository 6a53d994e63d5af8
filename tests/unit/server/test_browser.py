"""The page in a real browser: drop files, read the answers, download, remove."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from reader_browser import until
from server_world import PatientPredictor, Served, drop, image, serving

from nmevision.inference.predictor import Predictor
from nmevision.server.limits import Limits
from nmevision.server.results import page_of_cases

pytestmark = pytest.mark.slow
HOSTILE = "<img src=x onerror=document.title='hacked'>.png"


@pytest.fixture
def page(browser: Any, predictor: Predictor) -> Iterator[tuple[Any, Served]]:
    """The page of a server that takes 200 KB of one file."""
    with serving(predictor, Limits(file_bytes=200_000, job_bytes=500_000)) as served:
        browser.get(f"http://127.0.0.1:{served.port}/")
        browser.execute_script("sessionStorage.clear()")
        browser.get_log("browser")
        yield browser, served


def texts(driver: Any, selector: str) -> list[str]:
    return [one.text for one in driver.find_elements("css selector", selector)]


def finished(driver: Any) -> Any:
    """Wait for the first upload's buttons and return its card."""
    until(lambda: driver.find_elements("css selector", ".job .actions a"))
    return driver.find_element("css selector", ".job")


def test_drop_a_good_a_broken_and_a_huge_file_and_download(page: tuple[Any, Served], tmp_path: Path) -> None:
    driver, served = page
    until(lambda: "tiny" in driver.title)
    assert "phantoms" in driver.find_element("id", "first").text
    assert driver.page_source.count("Not a medical device") == 1
    broken, huge = ("broken.png", image(1)[:700]), ("huge.png", bytes(300_000))
    drop(driver, (HOSTILE, image(0)), broken, huge)
    card = finished(driver)
    assert card.find_element("tag name", "h2").text == "1 of 3 images read · 2 not read"
    names = texts(driver, ".job td.name")
    assert any(name.startswith("huge.png\nhas 300 KB, more than the 200 KB") for name in names)
    assert HOSTILE in names
    assert any(name.startswith("broken.png\nis a PNG that is cut short") for name in names)
    assert sorted(texts(driver, ".job td.state")) == ["not read", "not taken", "read"]
    assert driver.find_elements("css selector", ".job td canvas")
    assert driver.title.startswith("tiny")
    assert not driver.find_elements("css selector", "img")

    card.find_element("link text", "Download all (zip)").click()
    archive = driver.downloads / "nmevision-results.zip"
    until(archive.exists)
    with ZipFile(archive) as got:
        assert "predictions.csv" in got.namelist()
        assert "cut short" in got.read("files.csv").decode()
    archive.unlink()

    card.find_element("link text", "Open the cases").click()
    until(lambda: len(driver.window_handles) == 2)
    driver.switch_to.window(driver.window_handles[1])
    until(lambda: "2 rows, 2 images" in driver.page_source)
    assert driver.execute_script("return origin") == "null"  # a stranger to the server
    driver.close()
    driver.switch_to.window(driver.window_handles[0])
    assert driver.get_log("browser") == []

    driver.refresh()
    assert finished(driver).find_element("tag name", "h2").text == "1 of 2 images read · 1 not read"
    driver.find_element("xpath", "//button[.='Remove now']").click()
    until(lambda: not driver.find_elements("css selector", ".job"))
    assert [path for path in served.desk.folders.root.iterdir() if path.is_dir()] == []


def test_files_are_chosen_by_keyboard_and_a_lost_server_is_said(
    page: tuple[Any, Served], tmp_path: Path
) -> None:
    driver, _ = page
    (tmp_path / "a.png").write_bytes(image())
    (tmp_path / "notes.txt").write_text("hello")
    until(lambda: "tiny" in driver.title)
    driver.execute_script("document.getElementById('choose-files').focus()")
    assert driver.switch_to.active_element.text == "Choose files"
    driver.find_element("id", "files").send_keys(f"{tmp_path / 'a.png'}\n{tmp_path / 'notes.txt'}")
    finished(driver)
    assert any("holds text" in name for name in texts(driver, ".job td.name"))
    driver.execute_script("XMLHttpRequest.prototype.open = function () { throw new Error('no network'); }")
    driver.execute_cdp_cmd("Network.enable", {})
    driver.execute_cdp_cmd(
        "Network.emulateNetworkConditions",
        {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0},
    )
    driver.find_element("xpath", "//button[.='Remove now']").click()
    until(lambda: "cannot be reached" in driver.find_element("id", "trouble").text)
    driver.execute_cdp_cmd(
        "Network.emulateNetworkConditions",
        {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1},
    )


def test_progress_is_seen_and_a_full_server_can_be_asked_again(
    browser: Any, patient: PatientPredictor
) -> None:
    with serving(patient, Limits(queue=1)) as served:
        browser.get(f"http://127.0.0.1:{served.port}/")
        until(lambda: "tiny" in browser.title)
        drop(browser, ("a.png", image(0)))
        until(lambda: "Reading: 0 of 1 done" in texts(browser, ".job h2"))
        drop(browser, ("b.png", image(1)))
        until(lambda: "Waiting: 1 upload before this one" in texts(browser, ".job h2"))
        drop(browser, ("c.png", image(2)))
        until(lambda: any("try again soon" in words for words in texts(browser, ".job p")))
        patient.allowed.set()
        until(lambda: texts(browser, ".job h2").count("1 of 1 image read") == 2)
        browser.find_element("xpath", "//button[.='Send again']").click()
        until(lambda: texts(browser, ".job h2").count("1 of 1 image read") == 3)


def test_the_page_works_with_a_phones_width_and_names_its_controls(page: tuple[Any, Served]) -> None:
    driver, _ = page
    metrics = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        until(lambda: "tiny" in driver.title)
        drop(driver, ("a" * 300 + ".png", image(0)))
        finished(driver)
        wide = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert driver.execute_script(wide) == 0
        nameless = driver.execute_script(
            "return [...document.querySelectorAll('button, a, input, progress')]"
            ".filter((one) => !(one.textContent.trim() || one.ariaLabel)).map((one) => one.outerHTML)"
        )
        assert json.dumps(nameless) == "[]"
    finally:
        driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_the_real_page_of_cases_opens_as_a_stranger_and_shows_names_as_text(
    browser: Any, predictor: Predictor
) -> None:
    with serving(predictor, write_page=page_of_cases) as served:
        job = served.done(
            [(HOSTILE, image(0)), ("</script><script>document.title='hacked'</script>.png", image(1))]
        )
        assert job["message"] == ""
        browser.get_log("browser")
        browser.get(f"http://127.0.0.1:{served.port}{job['page']}")
        rows = until(lambda: browser.find_elements("css selector", "a.row"))
        told = " ".join(row.text for row in rows)
        assert HOSTILE in told
        assert "document.title='hacked'<" in told  # "/" parts a name as on the disk it came from
        rows[0].click()
        until(lambda: browser.execute_script("return location.hash") != "")
        until(lambda: not browser.find_elements("css selector", "a.row"))
        assert "hacked" not in browser.title.replace(HOSTILE, "").replace("document.title='hacked'", "")
        assert browser.execute_script("return origin") == "null"
        blocked = "return fetch('/api/model').then(() => 'reached', () => 'blocked')"
        assert browser.execute_script(blocked) == "blocked"
        assert all("/api/model" in line["message"] for line in browser.get_log("browser"))
