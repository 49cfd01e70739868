"""Tiers of tests side by side: each is run, each is shown in one piece, and none is left when all are stopped."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from tenacity import retry, retry_if_result, stop_after_delay, wait_fixed

from tests import lanes
from tests.lanes import Tier, run

# Waits for the file that another tier makes: neither ends where the two do not run side by side.
MEETS = "import pathlib, sys, time; pathlib.Path(sys.argv[1]).touch(); print('begins', flush=True)\n"
MEETS += "while not pathlib.Path(sys.argv[2]).exists(): time.sleep(0.05)\nprint('ends'); sys.exit(int(sys.argv[3]))"
STOPPED = (
    "import sys, time\ntry:\n print('runs', flush=True); time.sleep(600)\nexcept KeyboardInterrupt: print('stopped')"
)


def python(program: str, *arguments: object) -> list[str]:
    return [sys.executable, "-c", program, *map(str, arguments)]


def test_lanes_run_side_by_side_and_each_tier_is_shown_in_one_piece(tmp_path: Path) -> None:
    a, b = tmp_path / "made-by-a", tmp_path / "made-by-b"
    first = [Tier("a", tmp_path, python(MEETS, a, b, 1)), Tier("c", tmp_path, python("print('c')"))]
    second = [Tier("b", tmp_path, python(MEETS, b, a, 0))]
    shown: list[bytes] = []
    run([first, second], shown.append)
    assert b"".join(shown).decode().split() == ["begins", "ends", "c", "begins", "ends"]
    assert [tier.failed for tier in (*first, *second)] == [True, False, False]


def test_an_interrupt_has_each_tier_stop_in_good_order(tmp_path: Path) -> None:
    tiers = [Tier(name, tmp_path, python(STOPPED)) for name in "ab"]

    def show(_: bytes) -> None:
        if all(tier.log.read_text() for tier in tiers):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run([[tiers[0]], [tiers[1], Tier("c", tmp_path, python("print('c')"))]], show)
    assert [path.read_text() for path in sorted(tmp_path.iterdir())] == ["runs\nstopped\n"] * 2 + [""]
    assert not any(tier.running for tier in tiers)


@pytest.mark.parametrize(("memory", "side_by_side"), [(lanes.MEMORY, True), (lanes.MEMORY - 1, False)])
def test_the_results_of_all_come_last_and_little_memory_makes_one_lane(
    memory: int,
    side_by_side: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts/test").write_text('#!/bin/sh\necho "$1 ran at $(nice)"; [ "$1" != two ]')
    (tmp_path / "scripts/test").chmod(0o755)
    given: list[int] = []

    def look(lanes: list[list[Tier]], show: object) -> None:
        given.append(len(lanes))
        run(lanes, show)  # type: ignore[arg-type]

    monkeypatch.setattr(lanes, "run", look)
    monkeypatch.setattr(lanes, "HOME", tmp_path)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: type("", (), {"total": memory}))
    monkeypatch.setattr(sys, "argv", ["lanes", "one,two", "three"])
    with pytest.raises(SystemExit) as ended:
        lanes.main()
    assert ended.value.code == 1
    own = os.nice(0)
    said = capfdbinary.readouterr().out.decode()
    assert said.startswith(
        f"one ran at {own + 5}\ntwo ran at {own + 5}\nthree ran at {own}\n\n== results\none: passed after "
    )
    assert "\ntwo: failed after " in said
    assert given == [2 if side_by_side else 1]


def test_a_terminated_run_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts/test").write_text(f'#!/bin/sh\necho $$ >"{tmp_path}/$1"; exec sleep 600')
    (tmp_path / "scripts/test").chmod(0o755)
    program = f"import pathlib, tests.lanes as l; l.HOME = pathlib.Path({str(tmp_path)!r}); l.MEMORY = 0; l.main()"
    with subprocess.Popen(python(program, "one", "two")) as process:
        pids = [int(text) for name in ("one", "two") if (text := _read(tmp_path / name))]
        process.terminate()
        assert process.wait(60) == 128 + signal.SIGINT
    assert len(pids) == 2
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


@retry(retry=retry_if_result(lambda text: not text), stop=stop_after_delay(60), wait=wait_fixed(0.05))
def _read(path: Path) -> str:
    return path.read_text() if path.exists() else ""
