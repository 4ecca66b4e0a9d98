"""A file is replaced as a whole or not at all."""

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
