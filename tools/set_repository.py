"""Move the project to another home, or check that every file names the same one.

    python tools/set_repository.py https://github.com/OWNER/NAME
    python tools/set_repository.py --ref v1.0.0
    python tools/set_repository.py --check

The home is written in one place, `Repository` under [project.urls] in pyproject.toml.
Links to the repository, to Colab and Binder, and to its GitHub pages repeat it. The
first form rewrites them all; the last exits with 1 and names the files that differ.

The second form prepares a release: links to files, the notebooks on Colab and Binder,
and what their first cell installs are then of this tag, and `--ref main` leads back.
"""

import argparse
import os
import re
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # nothing has to be installed
from snnl_tutorial.files import write_atomically

HOME = re.compile(r"https://github\.com/([\w.-]+)/([\w.-]+?)(?:\.git)?/?")
SKIPPED_AT_ROOT = {
    ".git",
    ".venv",
    "_build",
    "build",
    "dist",
    "runs",
    "node_modules",
}

# Where only our own OWNER/NAME can stand, whatever it is.
LINKS = re.compile(
    r"(?:colab\.research\.google\.com/github/"
    r"|mybinder\.org/v2/gh/"
    r"|\\1https://(?:github|raw\.githubusercontent)\.com/"  # README's links on PyPI
    r"|(?:Homepage|Documentation|Changelog|Issues) *= *[\"']https://github\.com/"
    r"|git\+https://github\.com/"
    r"|git clone https://github\.com/"
    r"|repository-code: *[\"']?https://github\.com/"
    r"|repository:\s+url: *[\"']?https://github\.com/)"
    r"([\w.-]+/[\w-]+(?:\.(?!git\b)[\w-]+)*)"
)

BRANCH = re.compile(r"(?m)^(  branch: *)([\w.-]+)")


class HomeError(Exception):
    """Something that one line can say."""


def parse_home(url: str) -> tuple[str, str]:
    """Return (OWNER, NAME) of a GitHub address: Colab and Binder links need GitHub."""
    match = HOME.fullmatch(url)
    if match is None:
        raise HomeError(f"expected https://github.com/OWNER/NAME; got {url!r}")
    return match[1], match[2]


def current_home(root: Path) -> tuple[str, str]:
    """Return (OWNER, NAME) as pyproject.toml has it."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    try:
        return parse_home(project["project"]["urls"]["Repository"])
    except KeyError as error:
        raise HomeError("pyproject.toml has no Repository in [project.urls]") from error


def text_files(root: Path) -> Iterator[tuple[Path, str]]:
    """Walk over the project's text files, built and hidden copies left out."""
    for folder, subfolders, names in os.walk(root):
        subfolders[:] = sorted(
            name
            for name in subfolders
            if not name.endswith(("cache", "checkpoints"))
            and not (Path(folder) == root and name in SKIPPED_AT_ROOT)
        )
        for name in sorted(names):
            path = Path(folder, name)
            content = path.read_bytes()
            if b"\0" in content:
                continue
            try:
                yield path, content.decode("utf-8")
            except UnicodeDecodeError:
                continue


def replace_home(text: str, old: tuple[str, str], new: tuple[str, str]) -> str:
    """Replace OWNER/NAME, and the OWNER.github.io/NAME of its pages."""
    for form in ("{}/{}", "{}.github.io/{}"):
        pattern = rf"(?<![\w.-]){re.escape(form.format(*old))}(?![\w-])"
        text = re.sub(pattern, form.format(*new), text)
    return text


def current_ref(root: Path) -> str:
    """Return the branch or tag that links lead to, as _config.yml has it."""
    match = BRANCH.search((root / "_config.yml").read_text(encoding="utf-8"))
    if match is None:
        raise HomeError("_config.yml has no branch under repository")
    return match[2]


def replace_ref(text: str, home: str, ref: str) -> str:
    """Let links to files of this home, and what pip installs from it, be of `ref`."""
    home = re.escape(home)
    folders = rf"(?:github\.com|/github)/{home}/blob"
    links = rf"({folders}/|/v2/gh/{home}/|githubusercontent\.com/{home}/)[\w.-]+"
    text = re.sub(links, rf"\g<1>{ref}", text)
    installed = rf"(git\+https://github\.com/{home}(?:\.git)?)(?:@[\w.-]+)?(?![\w.@-])"
    version = "" if ref == "main" else f"@{ref}"  # main is what pip takes by itself
    return re.sub(installed, rf"\g<1>{version}", text)


def set_ref(root: Path, ref: str) -> list[Path]:
    """Rewrite every file that names another branch or tag; return these files."""
    if not re.fullmatch(r"[\w.-]+", ref):
        raise HomeError(f"expected a tag or a branch without a slash; got {ref!r}")
    home = "/".join(current_home(root))
    current_ref(root)

    def replaced(path: Path, text: str) -> str:
        if path == root / "_config.yml":
            text = BRANCH.sub(rf"\g<1>{ref}", text)
        return replace_ref(text, home, ref)

    return rewrite(root, replaced)


def strangers(root: Path) -> list[str]:
    """List `FILE:LINE: OWNER/NAME` wherever a link of ours names another home."""
    home = "/".join(current_home(root))
    found = []
    for path, text in text_files(root):
        for match in LINKS.finditer(text):
            if match[1] != home:
                line = text.count("\n", 0, match.start()) + 1
                found.append(f"{path.relative_to(root)}:{line}: {match[1]}")
    return found


def set_home(root: Path, url: str) -> list[Path]:
    """Rewrite every file that names the old home; return these files."""
    old, new = current_home(root), parse_home(url)
    return rewrite(root, lambda path, text: replace_home(text, old, new))


def rewrite(root: Path, replaced: Callable[[Path, str], str]) -> list[Path]:
    """Replace the text of each file that this changes; return these files."""
    changed = []
    for path, text in text_files(root):
        if (new := replaced(path, text)) != text:
            write_atomically(path, new.encode("utf-8"))
            changed.append(path)
    return changed


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(description="Set or check the project's home.")
    parser.add_argument("url", nargs="?", help="the new home, on GitHub")
    parser.add_argument("--ref", help="the tag or branch that links lead to")
    parser.add_argument("--check", action="store_true", help="change nothing")
    parser.add_argument("--root", type=Path, default=Path(__file__).parents[1])
    options = parser.parse_args(arguments)
    if [options.check, bool(options.url), bool(options.ref)].count(True) != 1:
        parser.error("give one of a URL, --ref and --check")
    try:
        changed = []
        if options.url:
            changed = set_home(options.root, options.url)
        elif options.ref:
            changed = set_ref(options.root, options.ref)
        for path in changed:
            print(path.relative_to(options.root))
        found = strangers(options.root)
    except (HomeError, OSError) as error:
        print(f"set_repository.py: {error}", file=sys.stderr)
        return 1
    for line in found:
        print(f"set_repository.py: another home in {line}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
