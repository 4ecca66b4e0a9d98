"""The environment that a result depends on: versions, hardware, commit."""

import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


def versions(*packages: str) -> dict[str, str]:
    """Return the versions of Python, of this package, and of the given packages.

    Example:
        >>> list(versions("torch", "no-such-package"))
        ['python', 'snnl_tutorial', 'torch', 'no-such-package']
        >>> versions("no-such-package")["no-such-package"]
        'not installed'
    """
    found = {"python": platform.python_version()}
    for package in ("snnl_tutorial", *packages):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def device_name(device: str = "cpu") -> str:
    """Return the hardware behind `"cpu"`, `"cuda:0"` or `"mps"`; "" without it."""
    if device.startswith("cuda"):
        import torch

        try:
            return torch.cuda.get_device_name(device)
        except (AssertionError, RuntimeError, ValueError):  # no CUDA, or no such GPU
            return ""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:  # not Linux
        lines = []
    names = [line.partition(": ")[2] for line in lines if "model name" in line]
    return names[0] if names else platform.processor() or platform.machine()


def commit(path: Path, ignore: str | None = None) -> str | None:
    """Return the commit that a file belongs to, with "-dirty" if there are changes.

    Args:
        path: a file in a git repository.
        ignore: a folder, relative to the top of the repository. Changes in it do not
            make the commit dirty.

    Returns:
        The full hash. None if git does not track the file, or is not installed.
    """

    def git(*words: str) -> str:
        command = ["git", "-C", str(path.parent), *words]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    counted = [":/"] if ignore is None else [":/", f":(top,exclude){ignore}"]
    try:
        git("ls-files", "--error-unmatch", path.name)
        head = git("rev-parse", "HEAD")
        changes = git("status", "--porcelain", "--untracked-files=no", "--", *counted)
    except (OSError, subprocess.CalledProcessError):
        return None
    return f"{head}-dirty" if changes else head
