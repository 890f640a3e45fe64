"""A lock is held by one process at a time, and by none that has ended."""

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

from config_bach import UserError
from storage.lock import only_one

HOLDER = """
import sys, time
from pathlib import Path
from storage.lock import only_one
with only_one(Path(sys.argv[1]), "taken"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_only_one_process_holds_it_and_a_killed_one_does_not(tmp_path: Path) -> None:
    path = tmp_path / "folder" / ".x.lock"
    other = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(UserError, match=r"^it is taken$"), only_one(path, "it is taken"):
            pytest.fail("two hold it")
    finally:
        other.kill()
        other.communicate()
    with only_one(path, "it is taken"):
        pass
    with only_one(path, "it is taken"):
        pass


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot write .*file"), only_one(tmp_path / "file/x", ""):
        pytest.fail("held")
