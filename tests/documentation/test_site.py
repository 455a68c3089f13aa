"""The site builds without a warning, has every public name, and is found by its search."""

from __future__ import annotations

import ast
import subprocess
import sys
import threading
import zlib
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.reports.pages import opened_in_chromium

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site() -> Path:
    """Build the site where `make docs` builds it, so that what is built already is reused."""
    pytest.importorskip("sphinx")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (command,) = [line.split() for line in makefile.splitlines() if line.startswith("\t$(BIN)/sphinx-build")]
    assert "--fail-on-warning" in command
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return ROOT / command[-1]


def public_names() -> Iterator[str]:
    """Yield the full name of each public class, function and method of the library."""
    for path in sorted((ROOT / "cascade").rglob("*.py")):
        parts = [part for part in path.relative_to(ROOT).with_suffix("").parts if part != "__init__"]
        if any(part.startswith("_") for part in parts):
            continue
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and not node.name.startswith("_"):
                name = ".".join([*parts, node.name])
                yield name
                if isinstance(node, ast.ClassDef):
                    functions = [inner.name for inner in node.body if isinstance(inner, ast.FunctionDef)]
                    yield from (f"{name}.{function}" for function in functions if not function.startswith("_"))


def test_every_public_name_is_in_the_api_reference(site: Path) -> None:
    # The inventory is the index of names that Sphinx writes for other sites: four lines, then compressed text.
    inventory = (site / "objects.inv").read_bytes().split(b"\n", 4)[4]
    listed = {line.split()[0] for line in zlib.decompress(inventory).decode().splitlines()}
    expected = set(public_names())
    assert len(expected) > 1000
    assert not sorted(expected - listed)


def test_each_script_of_the_gallery_shows_a_picture(site: Path) -> None:
    scripts = [path.stem for path in (ROOT / "examples").glob("*.py")]
    assert len(scripts) >= 10
    for script in scripts:
        assert list((site / "_images").glob(f"sphx_glr_{script}_001.png")), script


class Handler(SimpleHTTPRequestHandler):
    """A handler that prints nothing."""

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def address(site: Path) -> Iterator[str]:
    """Serve the site on this machine, as the search loads pages, which a browser refuses for files."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(site))) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_the_search_of_the_start_page_leads_to_the_api(site: Path, address: str) -> None:
    with opened_in_chromium(site / "index.html") as driver:
        from selenium.webdriver.common.by import By
        from selenium.webdriver.common.keys import Keys
        from selenium.webdriver.support.ui import WebDriverWait

        wait = WebDriverWait(driver, 60)
        driver.get(f"{address}/index.html")
        assert driver.title.startswith("cascade")
        driver.find_element(By.CSS_SELECTOR, "button.search-button__button").click()
        field = wait.until(lambda page: page.find_element(By.CSS_SELECTOR, "dialog input[type=search]"))
        field.send_keys("gate threshold", Keys.ENTER)
        place = "a[href*='cascade.rules.thresholds.gate_threshold.html']"
        found = wait.until(lambda page: page.find_element(By.CSS_SELECTOR, f"#search-results {place}"))
        driver.execute_script("arguments[0].click()", found)
        heading = wait.until(lambda page: page.find_element(By.CSS_SELECTOR, "article h1"))
        assert heading.text.startswith("cascade.rules.thresholds.gate_threshold")
        failed = [entry["message"] for entry in driver.get_log("browser") if "Failed to load" in entry["message"]]
        # A browser requests an icon, whether a site has one or not.
        assert not [message for message in failed if "favicon.ico" not in message]
