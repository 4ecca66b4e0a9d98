"""A link that opens a new tab, as the theme's buttons do, gets rel="noopener".

Without it, older browsers let the new page steer the tab that it came from.
"""

from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

OPEN, CLOSED = 'target="_blank"', 'target="_blank" rel="noopener"'


def setup(app: Sphinx) -> dict[str, Any]:
    """Sphinx calls this."""
    app.connect("build-finished", close_off)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def close_off(app: Sphinx, error: Exception | None) -> None:
    """Add the attribute to every link of the written pages that lacks it."""
    if error is not None or app.builder.format != "html":
        return
    for page in Path(app.outdir).rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        closed = text.replace(CLOSED, OPEN).replace(OPEN, CLOSED)
        if closed != text:
            page.write_text(closed, encoding="utf-8")
