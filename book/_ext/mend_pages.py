"""Small mends in the pages as they are written.

- A link that opens a new tab, as the theme's buttons do, gets rel="noopener".
  Without it, older browsers let the new page steer the tab that it came from.
- A folded code cell is called what stands on it, "Show code cell source". Its
  label said otherwise, and who speaks to the page says what stands there.
- The bibliography is no list of list items, and a long signature no list of
  terms: what says so only confuses screen readers.
"""

from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

OPEN, CLOSED = 'target="_blank"', 'target="_blank" rel="noopener"'
MENDS = {
    CLOSED: OPEN,
    OPEN: CLOSED,
    '<summary aria-label="Toggle hidden content">': "<summary>",
    '<div role="list" class="citation-list">': '<div class="citation-list">',
    '<dl>\n<dd><em class="sig-param">': (
        '<dl role="presentation">\n<dd><em class="sig-param">'
    ),
}
"""In this order, so that what is closed already is not closed twice."""


def setup(app: Sphinx) -> dict[str, Any]:
    """Sphinx calls this."""
    app.connect("build-finished", mend_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def mend_pages(app: Sphinx, error: Exception | None) -> None:
    """Mend every written page; one that is mended already stays as it is."""
    if error is not None or app.builder.format != "html":
        return
    for page in Path(app.outdir).rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        mended = text
        for found, better in MENDS.items():
            mended = mended.replace(found, better)
        if mended != text:
            page.write_text(mended, encoding="utf-8")
