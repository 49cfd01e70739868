"""The Chromium of the tests, on a machine that has none: unpacked into the cache, not installed."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from app.settings import HOME

LIBRARY = "usr/lib/x86_64-linux-gnu/private/libwanted.so.1"

pytestmark = pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="Debian's packages are for Debian")


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A folder of programs without a Chromium, whose apt-get downloads a package that was made here."""
    package = tmp_path / "package"
    for name, content in {
        "DEBIAN/control": "Package: chromium\nVersion: 1\nArchitecture: all\nMaintainer: nobody\nDescription: none\n",
        "usr/lib/chromium/chromium": '#!/bin/sh\necho "$1"; echo "$LD_LIBRARY_PATH"; cat "$FONTCONFIG_FILE"\n',
        LIBRARY: "",
    }.items():
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text(content)
    (package / "usr/lib/chromium/chromium").chmod(0o755)
    subprocess.run(["dpkg-deb", "--build", package, tmp_path / "chromium.deb"], check=True, stdout=subprocess.DEVNULL)
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("cat", "chmod", "cp", "dirname", "dpkg-deb", "find", "flock", "mkdir", "paste", "rm", "sh", "sort",
                 "tail", "tar", "touch", "xargs"):  # fmt: skip
        (programs / name).symlink_to(shutil.which(name) or "")
    apt = programs / "apt-get"
    apt.write_text(
        f'#!/bin/sh\ncase "$*" in *download-only*) cp {tmp_path}/chromium.deb {tmp_path}/cache/browsers/debian/cache/'
        f"archives/; echo downloaded >>{tmp_path}/said ;; esac\n"
    )
    apt.chmod(0o755)
    return programs


def browser(machine: Path) -> subprocess.CompletedProcess[str]:
    cache = machine.parent / "cache"
    script = (
        ". scripts/lib/environment.sh; . scripts/lib/browser.sh; TIDEMARK_CACHE_ROOT=$(tidemark_cache); "
        'tidemark_browser && "$CHROMIUM" --headless'
    )
    environment = {name: value for name, value in os.environ.items() if name != "CHROMIUM"}
    environment |= {"PATH": str(machine), "TIDEMARK_CACHE": str(cache)}
    return subprocess.run(
        [shutil.which("bash") or "bash", "-euc", script],
        cwd=HOME, env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_it_is_unpacked_once_and_finds_its_libraries_and_fonts(machine: Path) -> None:
    for _ in range(2):
        done = browser(machine)

        assert done.returncode == 0, done.stderr
        argument, libraries, *fonts = done.stdout.splitlines()
        root = machine.parent / "cache/browsers/debian/root"
        assert (argument, libraries) == ("--headless", str((root / LIBRARY).parent))
        assert f"  <dir>{root}/usr/share/fonts</dir>" in fonts
    assert (machine.parent / "said").read_text() == "downloaded\n"


def test_where_it_cannot_be_had_that_is_said_with_what_to_do(machine: Path) -> None:
    (machine / "apt-get").write_text("#!/bin/sh\necho 'E: no server answers'\nexit 100\n")
    done = browser(machine)

    assert done.returncode == 1
    assert "E: no server answers" in done.stderr
    assert f"could not get Chromium (all output: {machine.parent}/cache/log/browser)" in done.stderr
    assert "set CHROMIUM to its path" in done.stderr
