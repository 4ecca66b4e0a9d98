"""A file is replaced as a whole or not at all."""

import errno
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from snnl_tutorial.files import open_atomically, write_atomically


def test_a_file_is_created_with_its_folder_and_replaced(tmp_path):
    path = tmp_path / "new" / "folder" / "file"
    for content in (b"old, and longer", b"new"):
        write_atomically(path, content)
        assert path.read_bytes() == content
    assert list(path.parent.iterdir()) == [path]


def test_the_old_content_is_there_until_the_end(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with open_atomically(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize("existing", [b"old", None])
def test_an_interruption_changes_nothing_and_leaves_nothing(existing, tmp_path):
    path = tmp_path / "file"
    if existing is not None:
        path.write_bytes(existing)

    def interrupted():
        with open_atomically(path) as file:
            file.write(b"new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    contents = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert contents == ({} if existing is None else {path: existing})


@pytest.mark.parametrize("mode", [0o755, 0o600])
def test_the_permissions_stay(mode, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    path.chmod(mode)
    write_atomically(path, b"new")
    assert path.stat().st_mode & 0o777 == mode
    assert path.read_bytes() == b"new"


def test_a_new_file_has_the_default_permissions(tmp_path):
    ordinary = tmp_path / "ordinary"
    ordinary.touch()
    write_atomically(tmp_path / "file", b"new")
    assert (tmp_path / "file").stat().st_mode == ordinary.stat().st_mode


def test_a_path_may_be_a_string(tmp_path):
    write_atomically(f"{tmp_path}/folder/file", b"new")
    assert (tmp_path / "folder" / "file").read_bytes() == b"new"


def test_two_writers_of_one_process_do_not_mix(tmp_path):
    """In two containers that share a folder, both writers are process 1."""
    path = tmp_path / "file"
    with open_atomically(path) as first:
        first.write(b"first")
        with open_atomically(path) as second:
            second.write(b"the second, longer")
        assert path.read_bytes() == b"the second, longer"
        first.write(b" and last")
    assert path.read_bytes() == b"first and last"
    assert list(tmp_path.iterdir()) == [path]


def test_no_planted_link_is_followed(tmp_path):
    """Whatever names a process of this number may choose, none was foreseen."""
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    for name in (f"file.{os.getpid()}.tmp", "file.tmp", ".file.tmp"):
        (tmp_path / name).symlink_to(victim)
    write_atomically(tmp_path / "file", b"new")
    assert victim.read_bytes() == b"precious"
    assert (tmp_path / "file").read_bytes() == b"new"


@pytest.mark.parametrize("existing", [b"old", None])
def test_a_link_stays_and_its_target_is_replaced(existing, tmp_path):
    target, link = tmp_path / "elsewhere" / "target", tmp_path / "link"
    target.parent.mkdir()
    link.symlink_to(target)
    if existing is not None:
        target.write_bytes(existing)
    write_atomically(link, b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, "device"])
def test_what_is_no_regular_file_is_not_replaced(make, tmp_path):
    path = tmp_path / "taken"
    path.symlink_to(os.devnull) if make == "device" else make(path)
    before = path.stat().st_mode
    with pytest.raises(FileExistsError, match="taken .* not a regular file"):
        write_atomically(path, b"new")
    assert path.stat().st_mode == before
    assert list(tmp_path.iterdir()) == [path]


def leave_temporary_file(folder):
    """Be killed while writing: the process ends without any clean-up."""
    code = f"""
import os
from snnl_tutorial.files import open_atomically
with open_atomically({str(folder / "file")!r}):
    os._exit(0)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
    (left,) = folder.iterdir()
    return left


def test_what_a_killed_writer_left_goes_after_a_day_and_nothing_else(tmp_path):
    left = leave_temporary_file(tmp_path)
    of_the_user = tmp_path / "notes.tmp"
    of_the_user.touch()
    write_atomically(tmp_path / "file", b"new")
    assert left.exists()  # its writer may be alive
    for path in (left, of_the_user):
        two_days_ago = path.stat().st_mtime - 2 * 24 * 60 * 60
        os.utime(path, (two_days_ago, two_days_ago))
    write_atomically(tmp_path / "file", b"new")
    assert set(tmp_path.iterdir()) == {tmp_path / "file", of_the_user}


@pytest.mark.parametrize("error", [None, ValueError, KeyboardInterrupt])
def test_a_full_disk_names_the_file_and_hides_no_error(error, tmp_path, disk_limit):
    path = tmp_path / "file"

    def write():
        with open_atomically(path) as file:
            file.write(bytes(1000))
            if error:
                raise error

    with disk_limit(100), pytest.raises(error or OSError) as caught:
        write()
    if error is None:
        assert caught.value.errno == errno.EFBIG
        assert str(path) in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["file", "n" * 250, "table.csv"])
def test_a_folder_that_may_not_be_written_names_the_file(name, ordinary_user):
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o555)
        path = Path(folder, name)
        with ordinary_user(), pytest.raises(PermissionError) as caught:
            write_atomically(path, b"new")
        assert caught.value.filename == str(path)
        assert list(Path(folder).iterdir()) == []
        Path(folder).chmod(0o755)
