"""Small mends in the pages as they are written.

- A link that opens a new tab, as the theme's buttons do, gets rel="noopener".
  Without it, older browsers let the new page steer the tab that it came from.
- A folded code cell is called what stands on it, "Show code cell source". Its
  label said otherwise, and who speaks to the page says what stands there.
"""

from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

OPEN, CLOSED = 'target="_blank"', 'target="_blank" rel="noopener"'
LABELED, PLAIN = '<summary aria-label="Toggle hidden content">', "<summary>"


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
        mended = text.replace(CLOSED, OPEN).replace(OPEN, CLOSED)
        mended = mended.replace(LABELED, PLAIN)
        if mended != text:
            page.write_text(mended, encoding="utf-8")
