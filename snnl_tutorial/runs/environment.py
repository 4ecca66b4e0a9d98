"""What a result depends on beside its parameters: versions, device, commit."""

import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import snnl_tutorial


def versions(*packages: str) -> dict[str, str]:
    """Return the versions of Python, of this package, and of those named here.

    Example:
        >>> list(versions("torch"))
        ['python', 'snnl_tutorial', 'torch']
    """
    found = {
        "python": platform.python_version(),
        "snnl_tutorial": snnl_tutorial.__version__,
    }
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def device_name(device: str = "cpu") -> str:
    """Return what hardware `"cpu"`, `"cuda:0"` or `"mps"` is here."""
    if device.startswith("cuda"):
        import torch

        try:
            return torch.cuda.get_device_name(device)
        except (AssertionError, RuntimeError, ValueError):  # there is none, or not this
            return ""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:  # not Linux
        lines = []
    names = [line.partition(": ")[2] for line in lines if "model name" in line]
    return names[0] if names else platform.processor() or platform.machine()


def commit(path: Path) -> str | None:
    """Return the commit of a file in git, "-dirty" if anything has changed since.

    None where git does not know the file, or is not installed.
    """
    git = ["git", "-C", str(path.parent)]
    try:
        subprocess.run(
            [*git, "ls-files", "--error-unmatch", path.name],
            check=True,
            capture_output=True,
        )
        described = subprocess.run(
            [*git, "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
            check=True,
            capture_output=True,
            text=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return described.stdout.strip()
