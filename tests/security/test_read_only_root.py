"""The app as the container runs it: another user, nothing writable but its data and one temporary
folder, no home, no capability. The kernel is asked, as no container engine may be at hand.

Defence: the Dockerfile's user and its compiled files, `CANDOR_DATA`, and code that keeps a copy of
parsed files only where it may (guard/kept.py).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from served import free_port, page_of, settles
from serving import answers

ROOT = Path(__file__).parents[2]
NOBODY = "65534"
ALONE = "setpriv --reuid {0} --regid {0} --clear-groups --no-new-privs --bounding-set=-all"
START = """
mount --make-rprivate /
mount -t tmpfs -o mode=1777 tmpfs {data}
mount -t tmpfs -o mode=1777 tmpfs {temporary}
for each in $(find {root}/guard {root}/chat -name '.kept*'); do
  mount --bind /dev/null "$each"  # a new image has none
done
mount -o remount,ro,bind /
for each in /dev/shm /run {top}; do mount -o remount,ro,bind "$each" 2>/dev/null || true; done
cd {root}
exec env -i PATH="$PATH" HOST=127.0.0.1 PORT={port} CANDOR_DATA={data} TMPDIR={temporary} \\
  PYTHONDONTWRITEBYTECODE=1 {alone} {python} {program}
"""
TRIES = """
import os, sys
from pathlib import Path
for place in sys.argv[1:]:
    try:
        (Path(place) / "written").write_text("x")
        print("written", place)
    except OSError as error:
        print("refused", place)
print("uid", os.getuid(), Path("/proc/self/status").read_text().split("CapEff:")[1].split()[0])
"""


def possible() -> bool:
    """Whether this machine lets us take a view of its files of our own."""
    if os.geteuid() != 0 or not all(map(shutil.which, ("unshare", "setpriv"))):
        return False
    view = "mount --make-rprivate / && mount -o remount,ro,bind /"
    script = f"{view} && {ALONE.format(NOBODY)} {sys.executable} -c 1"
    return subprocess.run(["unshare", "-m", "sh", "-ec", script], check=False).returncode == 0


pytestmark = pytest.mark.skipif(
    not possible(),
    reason="needs root, and leave to mount; SECURITY.md has docker's line",
)


@pytest.fixture
def places() -> Iterator[dict[str, Path]]:
    """The two folders that may be written; pytest's own are closed to other users."""
    with tempfile.TemporaryDirectory() as top:
        Path(top).chmod(0o755)
        found = {name: Path(top) / name for name in ("data", "temporary")}
        for folder in found.values():
            folder.mkdir()
        yield found


def begun(places: dict[str, Path], program: str, port: int = 0) -> list[str]:
    values = {name: str(folder) for name, folder in places.items()}
    script = START.format(
        root=ROOT,
        top=places["data"].parent,
        port=port,
        alone=ALONE.format(NOBODY),
        python=sys.executable,
        program=program,
        **values,
    )
    return ["unshare", "-m", "sh", "-ec", script]


def test_only_two_folders_can_be_written(places: dict[str, Path]) -> None:
    """That the view is what it is said to be; else the next test would show nothing."""
    program = places["data"].parent / "tries.py"
    program.write_text(TRIES)
    where = [*map(str, places.values()), str(ROOT), str(ROOT / "guard" / "data"), "/tmp", "/root"]  # noqa: S108
    command = begun(places, f"{program} {' '.join(where)}")
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert told == [
        *(f"written {place}" for place in where[:2]),
        *(f"refused {place}" for place in where[2:]),
        f"uid {NOBODY} 0000000000000000",
    ]


@pytest.fixture
def served(places: dict[str, Path], tmp_path: Path) -> Iterator[str]:
    port = free_port()
    log = tmp_path / "app.log"
    with log.open("wb") as out:
        command = begun(places, "app.py", port)
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)
    url = f"http://127.0.0.1:{port}"

    try:
        assert settles(lambda: answers(url) or process.poll() is not None, 120), log.read_text()
        assert process.poll() is None, log.read_text()
        yield url
    finally:
        process.terminate()
        process.wait(20)
    assert "Traceback" not in log.read_text()
    assert not re.search("Read-only|Permission denied", log.read_text())


def test_a_question_a_file_and_an_export_with_a_read_only_root(served: str) -> None:
    with page_of(served) as page:
        model = str(page.state()["model"])
        made = page.http.post("/candor/files", params={"name": "a.md"}, content=b"# lentils")
        id_ = page.answered("What is in it?", model=model, files=[made.json()["id"]])
        assert 'data-state="done"' in page.state(id_)["thread"]
        assert page.http.get(f"/candor/conversations/{id_}/export.md").status_code == 200
        assert page.http.get("/").status_code == 200
        assert page.http.get("/models").status_code == 200
        assert page.http.get("/audit").status_code == 200
