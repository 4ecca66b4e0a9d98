"""Bundle the playground's ES modules into one classic script, or check the bundle.

    python tools/bundle_playground.py            write the bundle
    python tools/bundle_playground.py --check    write nothing; fail if it is outdated

The bundle is book/playground/bundle/playground.js. Browsers refuse modules that a page
opened as a file asks for, and run classic scripts. Each module becomes a function that
returns what it exports, in an order in which nothing is used before it is made. Only
two forms are read, each starting a line: `import { a, b } from "./file.js";`, which may
take several lines, and `export` before const, function, async function or class.
"""

import argparse
import re
import sys
from pathlib import Path

from snnl_tutorial.files import write_atomically

IMPORT = re.compile(r'^import \{([^}]*)\} from "\./([\w-]+)\.js";\n', re.M)
EXPORT = re.compile(r"^export (?=(?:const|(?:async )?function|class) (\w+))", re.M)
HEAD = "// Made of book/playground/*.js by tools/bundle_playground.py.\n"


class BundleError(Exception):
    """An error that one line can tell."""


def bundle(folder: Path, first: str = "main") -> str:
    """The script that does what the module `first` of this folder does."""
    modules: dict[str, str] = {}
    add_module(folder, first, modules, ())
    return f'{HEAD}"use strict";\n(() => {{\n{"".join(modules.values())}}})();\n'


def add_module(
    folder: Path, name: str, modules: dict[str, str], users: tuple[str, ...]
) -> None:
    """Add a module's text to `modules`, after those of the modules that it uses."""
    if name in users:
        raise BundleError(f"modules use each other: {' > '.join([*users, name])}")
    if name in modules:
        return
    path = folder / f"{name}.js"
    if not path.is_file():
        raise BundleError(f"{users[-1]}.js imports {name}.js, which is not there")
    source = path.read_text(encoding="utf-8")
    for _, used in IMPORT.findall(source):
        add_module(folder, used, modules, (*users, name))
    body = IMPORT.sub(lambda use: f"const {{{use[1]}}} = {key(use[2])};\n", source)
    exported = ", ".join(EXPORT.findall(body))
    body = EXPORT.sub("", body)
    unread = re.search(r"^(?:import|export)\b.*", body, re.M)
    if unread:
        raise BundleError(f"{name}.js: cannot read {unread[0]!r}")
    modules[name] = (
        f"const {key(name)} = (() => {{\n{body}return {{ {exported} }};\n}})();\n"
    )


def key(name: str) -> str:
    """The name of the constant that holds a module's exports."""
    return f"module_{name.replace('-', '_')}"


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing")
    parser.add_argument("--root", type=Path, default=Path(__file__).parents[1])
    options = parser.parse_args(arguments)
    folder = options.root / "book" / "playground"
    path = folder / "bundle" / "playground.js"
    try:
        script = bundle(folder).encode("utf-8")
        if not options.check:
            write_atomically(path, script)
        elif not path.exists() or path.read_bytes() != script:
            raise BundleError(f"{path.name} is outdated: run `make playground`")
    except (BundleError, OSError) as error:
        print(f"bundle_playground.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
