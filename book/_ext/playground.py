"""Pages with a playground load its script and style; no other page does.

Jupyter Book would put every script under _static on every page, so these two
lie in playground/bundle and are copied to the book's _static folder here.
"""

from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config

MARK = 'class="snnl-playground'


def setup(app: Sphinx) -> dict[str, Any]:
    """Sphinx calls this."""
    app.connect("config-inited", add_folder)
    app.connect("html-page-context", load_where_used)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def add_folder(app: Sphinx, config: Config) -> None:
    """Copy the bundle with the book's other static files."""
    folder = Path(app.srcdir) / "playground" / "bundle"
    config.html_static_path.append(str(folder))


def load_where_used(
    app: Sphinx,
    pagename: str,
    templatename: str,
    context: dict[str, Any],
    doctree: nodes.document | None,
) -> None:
    """Add both files to a page whose text has a playground."""
    if doctree is not None and MARK in context.get("body", ""):
        app.add_js_file("playground.js", loading_method="defer")
        app.add_css_file("playground.css")
