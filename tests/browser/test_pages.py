"""Every page of the rendered book, opened as by a reader without a network."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urldefrag, urljoin

import pytest
import yaml
from playwright.sync_api import BrowserContext, Page, Response, ViewportSize

ROOT = Path(__file__).resolve().parents[2]
BOOK = ROOT / "book"
CONFIG = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
REPOSITORY = CONFIG["repository"]["url"].removeprefix("https://github.com/")
REF = CONFIG["repository"]["branch"]
COLAB = f"https://colab.research.google.com/github/{REPOSITORY}/blob/{REF}/book"
BINDER = f"https://mybinder.org/v2/gh/{REPOSITORY}/{REF}?urlpath=lab/tree/book"
PHONE: ViewportSize = {"width": 390, "height": 844}
LIMIT = 1_500_000
"""Bytes of a page and all that it loads, but for MathJax."""

LOOK_AROUND = """() => {
  const all = (query) => [...document.querySelectorAll(query)];
  // Without an alt text of its own, an image is given its file name.
  const file = /[.](png|svg|jpe?g|gif)$/;
  const mute = (alt) => alt.trim().length < 10 || file.test(alt);
  const prose = document.querySelector(".bd-article").cloneNode(true);
  prose.querySelectorAll("pre, code, mjx-container").forEach((e) => e.remove());
  return {
    links: all("a[href]").map((link) => link.getAttribute("href")),
    ids: all("[id]").map((element) => element.id),
    broken: all("img").filter((image) => !image.naturalWidth).map((i) => i.src),
    mute: all(".bd-article img").filter((i) => mute(i.alt)).map((i) => i.src),
    figures: all(".cell_output img").length,
    formulas: all(".math").length,
    typeset: all(".math mjx-container").length,
    open: all("a[target=_blank]:not([rel=noopener])").map((a) => a.href),
    errors: all("mjx-merror, [data-mjx-error]").map((e) => e.textContent),
    prose: prose.textContent,
  };
}"""

TOO_WIDE = """() => [document.documentElement.scrollWidth,
  [...document.querySelectorAll("body *")]
    .filter((e) => e.getBoundingClientRect().right > window.innerWidth + 1)
    .map((e) => `${e.tagName}.${e.className}`).slice(-3)]"""


def pages_of_toc() -> list[str]:
    """The names of all pages, in the order of the table of contents."""
    toc = yaml.safe_load((BOOK / "_toc.yml").read_text(encoding="utf-8"))
    parts = [chapter["file"] for part in toc["parts"] for chapter in part["chapters"]]
    return [toc["root"], *parts]


PAGES = pages_of_toc()
CHAPTERS = [page for page in PAGES if page.startswith("chapters/")]


@dataclass
class Visit:
    """What one page did and held when it was opened."""

    found: dict[str, Any]
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    phone_width: int = 0
    widest: list[str] = field(default_factory=list)


def open_page(context: BrowserContext, url: str) -> tuple[Page, Visit]:
    """Open a page, wait for its formulas, and note all that it asks for."""
    page = context.new_page()
    visit = Visit(found={})

    def note_response(response: Response) -> None:
        if response.status >= 400:
            visit.complaints.append(f"{response.status} {response.url}")

    page.on("request", lambda request: visit.requests.append(request.url))
    page.on("requestfailed", lambda request: visit.complaints.append(request.url))
    page.on("response", note_response)
    page.on("pageerror", lambda error: visit.complaints.append(str(error)))
    page.on(
        "console",
        lambda message: (
            visit.complaints.append(message.text)
            if message.type in ("error", "warning")
            else None
        ),
    )
    page.goto(url, wait_until="load")
    page.evaluate("() => window.MathJax ? MathJax.startup.promise : null")
    return page, visit


@pytest.fixture(scope="session")
def visits(site: str, context: BrowserContext) -> dict[str, Visit]:
    """Each page, opened once."""
    visits = {}
    for name in PAGES:
        page, visit = open_page(context, f"{site}{name}.html")
        visit.found = page.evaluate(LOOK_AROUND)
        page.set_viewport_size(PHONE)
        visit.phone_width, visit.widest = page.evaluate(TOO_WIDE)
        page.close()
        visits[name] = visit
    return visits


@pytest.mark.parametrize("name", PAGES)
def test_page_needs_no_other_host(
    visits: dict[str, Visit], site: str, name: str
) -> None:
    inside = (site, "data:", "blob:")
    assert [url for url in visits[name].requests if not url.startswith(inside)] == []


@pytest.mark.parametrize("name", PAGES)
def test_page_has_no_complaints(visits: dict[str, Visit], name: str) -> None:
    assert visits[name].complaints == []


@pytest.mark.parametrize("name", PAGES)
def test_images_load_and_speak(visits: dict[str, Visit], name: str) -> None:
    assert visits[name].found["broken"] == []
    assert visits[name].found["mute"] == [], "an output image without an alt text"


@pytest.mark.parametrize("name", PAGES)
def test_no_new_tab_may_steer_this_one(visits: dict[str, Visit], name: str) -> None:
    assert visits[name].found["open"] == []


@pytest.mark.parametrize("name", PAGES)
def test_formulas_are_typeset(visits: dict[str, Visit], name: str) -> None:
    found = visits[name].found
    assert found["errors"] == []
    assert found["typeset"] == found["formulas"]
    # A "$$" that is never closed becomes text; the build does not see it.
    assert re.findall(r"\$\$|\\[(\[]|\\[a-z]+\{", found["prose"]) == []


@pytest.mark.parametrize("name", PAGES)
def test_page_fits_a_phone(visits: dict[str, Visit], name: str) -> None:
    visit = visits[name]
    assert visit.phone_width <= PHONE["width"], visit.widest


@pytest.mark.parametrize("name", PAGES)
def test_internal_links_lead_somewhere(
    visits: dict[str, Visit], site: str, html: Path, name: str
) -> None:
    dead = []
    for link in visits[name].found["links"]:
        url, anchor = urldefrag(urljoin(f"{site}{name}.html", link))
        if not url.startswith(site):
            continue
        path = unquote(url.removeprefix(site).partition("?")[0]) or "index.html"
        target = path.removesuffix(".html")
        if target in visits:
            known = set(visits[target].found["ids"])
        elif (html / path).is_file():
            known = set(re.findall(r'\bid="([^"]+)"', read_html(html / path)))
        else:
            dead.append(link)
            continue
        state = target == "playground" and anchor.startswith("play&")  # of its points
        if anchor and unquote(anchor) not in known and not state:
            dead.append(link)
    assert dead == []


def read_html(path: Path) -> str:
    """The text of a page; nothing for other files, which have no anchors."""
    return path.read_text(encoding="utf-8") if path.suffix == ".html" else ""


@pytest.mark.parametrize("name", PAGES)
def test_page_is_light(
    visits: dict[str, Visit], site: str, html: Path, name: str
) -> None:
    sizes = {}
    for url in visits[name].requests:
        path = urldefrag(url)[0].removeprefix(site).partition("?")[0]
        if url.startswith(site) and not path.startswith("_static/mathjax/"):
            sizes[path] = (html / path).stat().st_size
    assert sum(sizes.values()) <= LIMIT, sorted(sizes.items(), key=lambda x: -x[1])[:5]


@pytest.mark.parametrize("name", CHAPTERS)
def test_chapter_opens_on_colab_and_binder(visits: dict[str, Visit], name: str) -> None:
    links = visits[name].found["links"]
    assert f"{COLAB}/{name}.ipynb" in links
    assert f"{BINDER}/{name}.ipynb" in links


def test_search_finds_temperature(site: str, context: BrowserContext) -> None:
    page, visit = open_page(context, f"{site}search.html?q=temperature")
    # Sphinx lists its results one by one.
    page.wait_for_selector("#search-results ul.search li:has-text('Glossary')")
    results = page.locator("#search-results ul.search li").all_inner_texts()
    page.close()
    assert any("Glossary" in result for result in results), results
    assert visit.complaints == []


def test_dark_mode_keeps_figures_white(
    visits: dict[str, Visit], site: str, context: BrowserContext
) -> None:
    """Figures are drawn for white paper, so they keep it."""
    name = next(name for name in PAGES if visits[name].found["figures"])
    page, _ = open_page(context, f"{site}{name}.html")
    page.evaluate("() => { document.documentElement.dataset.theme = 'dark' }")
    paper, effect, background = page.evaluate(
        """() => {
          const image = getComputedStyle(document.querySelector(".cell_output img"));
          const body = getComputedStyle(document.body);
          return [image.backgroundColor, image.filter, body.backgroundColor];
        }"""
    )
    page.close()
    assert (paper, effect) == ("rgb(255, 255, 255)", "none")
    assert max(map(int, re.findall(r"\d+", background)[:3])) < 64
