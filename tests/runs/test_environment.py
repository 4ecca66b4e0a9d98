"""The environment of a result: versions, hardware, commit."""

import subprocess

import pytest

from snnl_tutorial.runs import environment


@pytest.fixture
def git(tmp_path):
    def git(*words):
        identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
        command = ["git", "-C", str(tmp_path), *identity, *words]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    return git


def test_the_commit_of_a_file_that_git_tracks(tmp_path, git):
    tracked, table = tmp_path / "code" / "a.py", tmp_path / "results" / "a.csv"
    for path in (tracked, table):
        path.parent.mkdir()
        path.write_text("1")
    assert environment.commit(tracked) is None  # no repository
    git("init", "--quiet")
    assert environment.commit(tracked) is None  # not tracked
    git("add", ".")
    git("commit", "--quiet", "-m", "one")
    git("tag", "-a", "v1", "-m", "a tag is no commit")
    head = git("rev-parse", "HEAD")
    (tmp_path / "untracked").touch()
    assert environment.commit(tracked) == head
    table.write_text("2")
    assert environment.commit(tracked) == f"{head}-dirty"
    assert environment.commit(tracked, ignore="results") == head
    tracked.write_text("2")
    assert environment.commit(tracked, ignore="results") == f"{head}-dirty"


def test_versions_say_what_is_missing():
    found = environment.versions("no-such-package")
    assert found["no-such-package"] == "not installed"


def test_a_gpu_that_is_not_there_has_no_name():
    assert environment.device_name("cuda:99") == ""
    assert environment.device_name("cpu")
