"""Every page, light and dark, looked through by axe-core."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext

from tests.browser.test_pages import PAGES, open_page

# Colors are all that the theme changes.
OPTIONS = {
    "light": {
        "resultTypes": ["violations"],
        # Off by default: who speaks to the page says what stands on a button.
        "rules": {"label-content-name-mismatch": {"enabled": True}},
    },
    "dark": {"resultTypes": ["violations"], "runOnly": ["color-contrast"]},
}
SET_THEME = """(theme) => {
  document.documentElement.dataset.theme = theme;
  document.querySelectorAll("details").forEach((box) => { box.open = true; });
}"""


@pytest.fixture(scope="module")
def axe() -> Axe:
    return Axe()


@pytest.mark.parametrize("name", [*PAGES, "search"])
def test_nobody_is_shut_out(
    site: str, context: BrowserContext, axe: Axe, name: str
) -> None:
    """Nothing serious, with all that is folded open."""
    page, _ = open_page(context, f"{site}{name}.html")
    found = {}
    for theme, options in OPTIONS.items():
        page.evaluate(SET_THEME, theme)
        for violation in axe.run(page, options=options).response["violations"]:
            if violation["impact"] in ("serious", "critical"):
                places = [node["html"][:120] for node in violation["nodes"]]
                found[theme, violation["id"]] = places[:5]
    page.close()
    assert found == {}
