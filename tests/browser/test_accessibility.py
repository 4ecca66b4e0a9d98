"""Every page, light and dark, looked through by axe-core."""

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, Page

from tests.browser.test_pages import PAGES, open_page

STRUCTURE = {
    "resultTypes": ["violations"],
    "rules": {
        "color-contrast": {"enabled": False},  # below
        # Off by default: who speaks to the page says what stands on a button.
        "label-content-name-mismatch": {"enabled": True},
    },
}
COLORS = {"resultTypes": ["violations"], "runOnly": ["color-contrast"]}

UNFOLD = """() => {
  const still = document.createElement("style"); // no color is on its way
  still.textContent = "* { transition: none !important; }";
  document.head.append(still);
  document.querySelectorAll("details").forEach((box) => { box.open = true; });
}"""
# A page has thousands of words of code in a dozen colors: one of each will do.
THIN_OUT = """() => {
  const seen = new Set();
  const words = ":is(pre, .sig) span[class]:not(:has(*))";
  for (const word of document.querySelectorAll(words)) {
    const place = word.closest("[class*=highlight-], .cell_output, .sig")?.className;
    const kind = `${word.className} in ${place}`;
    if (seen.has(kind)) word.remove();
    seen.add(kind);
  }
}"""
SET_THEME = "theme => { document.documentElement.dataset.theme = theme; }"


@pytest.fixture(scope="module")
def axe() -> Axe:
    return Axe()


def serious(axe: Axe, page: Page, options: dict[str, Any]) -> dict[str, list[str]]:
    """What shuts somebody out, and where: rule by rule, five places of each."""
    violations = axe.run(page, options=options).response["violations"]
    return {
        violation["id"]: [node["html"][:120] for node in violation["nodes"][:5]]
        for violation in violations
        if violation["impact"] in ("serious", "critical")
    }


@pytest.mark.parametrize("name", [*PAGES, "search", "genindex"])
def test_nobody_is_shut_out(
    site: str, context: BrowserContext, axe: Axe, name: str
) -> None:
    """Nothing serious, with all that is folded open."""
    page, _ = open_page(context, f"{site}{name}.html")
    page.evaluate(UNFOLD)
    found = {"structure": serious(axe, page, STRUCTURE)}
    page.evaluate(THIN_OUT)
    for theme in ("light", "dark"):
        page.evaluate(SET_THEME, theme)
        found[theme] = serious(axe, page, COLORS)
    page.close()
    assert found == {"structure": {}, "light": {}, "dark": {}}
