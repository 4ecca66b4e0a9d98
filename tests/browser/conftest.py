"""The rendered book, served to a headless Chromium without a network."""

import functools
import shutil
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, sync_playwright

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")


class Quiet(SimpleHTTPRequestHandler):
    """Serves files and keeps the requests to itself."""

    protocol_version = "HTTP/1.1"  # one connection for many files

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture(scope="session")
def html() -> Path:
    """The folder of the rendered book."""
    folder = Path(__file__).resolve().parents[2] / "_build" / "html"
    if not (folder / "index.html").exists():
        pytest.skip(f"no rendered book in {folder}: run `make book` first")
    return folder


@pytest.fixture(scope="session")
def site(html: Path) -> Iterator[str]:
    """The address of the rendered book, with a slash at the end."""
    server = ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Quiet, directory=str(html))
    )
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    executable = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if executable is None:
        pytest.skip("no Chromium (Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=executable,
            args=[
                "--no-sandbox",
                "--disable-gpu",
                "--disable-background-networking",
                "--disable-component-update",
            ],
        )
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def context(browser: Browser) -> Iterator[BrowserContext]:
    """One window for all pages, so that they share the cache."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    yield context
    context.close()
