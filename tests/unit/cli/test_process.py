"""The process of the command line ends at once, and leaves nothing behind that an ordinary end would have done."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

END = """
import atexit, sys, tempfile, weakref
from pathlib import Path
from nmevision.cli.process import end_process

kept = tempfile.TemporaryDirectory(dir=sys.argv[1])
atexit.register(Path(sys.argv[1], "done").touch)
print("much " * 40_000)
print("last words", end="")
print("an error", end="", file=sys.stderr)
if sys.argv[3] == "torch":
    sys.modules["torch"] = sys
class Slow:
    def __del__(self): print(" taken apart", end="")
slow = Slow()
end_process(eval(sys.argv[2]))
"""


def ended(folder: Path, code: str, loaded: str = "") -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-c", END, str(folder), code, loaded]
    return subprocess.run(line, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("code", "seen"), [("0", 0), ("None", 0), ("1", 1), ("2", 2), ("130", 130)])
def test_output_files_and_exit_code_are_those_of_an_ordinary_end(
    tmp_path: Path, code: str, seen: int
) -> None:
    done = ended(tmp_path, code)
    assert done.returncode == seen
    assert done.stdout == "much " * 40_000 + "\nlast words"
    assert done.stderr == "an error"
    assert [path.name for path in tmp_path.iterdir()] == ["done"]  # and no temporary folder


def test_with_torch_loaded_everything_is_taken_apart(tmp_path: Path) -> None:
    assert ended(tmp_path, "0", "torch").stdout.endswith("last words taken apart")


def test_words_as_exit_code_are_printed(tmp_path: Path) -> None:
    done = ended(tmp_path, "'what went wrong'")
    assert (done.returncode, done.stderr) == (1, "an errorwhat went wrong\n")


@pytest.mark.skipif(sys.platform == "win32", reason="a Unix shell")
def test_streams_that_were_closed_before_are_no_error(tmp_path: Path) -> None:
    """`>&-` and `2>&-`, as some daemons start a program: Python's streams are then None."""
    for verb, code in (("data sources", 0), ("predict no-bundle . --out answers", 2)):  # predict starts again
        for closed in (">&-", "2>&-", ">&- 2>&-"):
            shell = f'exec "{sys.executable}" -m nmevision.cli {verb} {closed}'
            assert subprocess.run(["sh", "-c", shell], cwd=tmp_path, check=False).returncode == code


def test_a_reader_who_has_gone_is_told_by_the_exit_code_as_ever(tmp_path: Path) -> None:
    line = [sys.executable, "-c", END, str(tmp_path), "0", ""]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        process.stdout.close()
    assert process.returncode != 0
