"""A real headless Chromium for tests of the page, or a skip with a reason where there is none."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--disable-background-timer-throttling",  # a window that nobody sees for five minutes would be let sleep
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
    "--disable-features=IntensiveWakeUpThrottling",
)


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Yield a Chromium of 1280 x 900 that starts without any profile, for the whole session."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("chromium and chromedriver are not installed (Debian: chromium chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    folder: Path = tmp_path_factory.mktemp("chromium")
    for argument in (*ARGUMENTS, f"--user-data-dir={folder / 'profile'}", "--window-size=1280,900"):
        options.add_argument(argument)
    downloads = {
        "download.default_directory": str(folder),
        "download.prompt_for_download": False,
        "profile.default_content_setting_values.automatic_downloads": 1,  # several, which no hand has clicked
    }
    options.add_experimental_option("prefs", downloads)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    made = _patient(webdriver.Chrome)(options=options, service=webdriver.ChromeService(driver))
    made.set_page_load_timeout(30)
    made.downloads = folder
    yield made
    made.quit()


def _patient(kind: type[Any]) -> type[Any]:
    """Return the driver's class, which opens a page that did not load in time once more."""
    from selenium.common.exceptions import TimeoutException

    class Patient(kind):  # type: ignore[misc]
        def get(self, url: str) -> None:
            try:
                super().get(url)
            except TimeoutException:
                super().get(url)

    return Patient


def until(found: Callable[[], Any], seconds: float = 30) -> Any:
    """Return what `found` gives once it is true; an element redrawn between finding and asking is sought again."""
    from selenium.common.exceptions import StaleElementReferenceException

    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if value := found():
                return value
        except StaleElementReferenceException:
            pass
        time.sleep(0.05)
    raise AssertionError(f"waited {seconds:.0f} s in vain")
