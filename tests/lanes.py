"""Runs the tiers of tests that start servers in two lanes, side by side: what one waits for, the other uses.

    python -m tests.lanes spark,integration demo,cluster

The tiers of a lane run one after the other, and so do the lanes on a machine with little memory. What a tier prints is
shown in one piece, in the order of the arguments. Exit code 1: a tier has failed. An interrupt or SIGTERM stops all.
"""

import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path

import psutil

from app.settings import HOME
from embedded.process import Server

MEMORY = 20 * 2**30  # bytes: the integration tests take some 9 GiB, the demo 6, the cluster 8
STOP_SECONDS = 300  # in which the cluster is taken down
LOOK_SECONDS = 0.5
GIVES_WAY: tuple[str, ...] = ("nice", "-n", "5")  # all lanes but the last, which waits the most and so would end last


class Tier(Server):
    """A tier as a process. An interrupt has pytest stop what its tests have started."""

    def __init__(self, name: str, folder: Path, command: Sequence[str], prefix: Sequence[str] = ()) -> None:
        super().__init__(name, folder / name, stop_signal=signal.SIGINT, stop_seconds=STOP_SECONDS, prefix=prefix)
        self.command = command
        self.seconds: float | None = None  # that it took, once it has ended
        self.log.touch()

    def run(self) -> Iterator[None]:
        began = time.monotonic()
        self.begin(self.command)
        while self.running:
            yield
        self.seconds = time.monotonic() - began


def run(lanes: Sequence[Sequence[Tier]], show: Callable[[bytes], object]) -> None:
    """Runs all lanes to their ends, whether a tier fails or not, and shows what each tier prints."""
    working = [chain.from_iterable(tier.run() for tier in lane) for lane in lanes]
    try:
        for _ in _show([*chain(*lanes)], show):
            for lane in working:
                next(lane, None)
            time.sleep(LOOK_SECONDS)
    finally:
        for tier in chain(*lanes):
            tier.ask_to_stop()
        for tier in chain(*lanes):
            if tier.running:
                tier.end()


def _show(tiers: Sequence[Tier], show: Callable[[bytes], object]) -> Iterator[None]:
    """Shows one tier after the other, each as it prints, and yields as long as there is more to come."""
    for tier in tiers:
        with tier.log.open("rb") as printed:
            while tier.seconds is None:
                show(printed.read())
                yield
            show(printed.read())


def _print(text: bytes) -> None:
    sys.stdout.buffer.write(text)
    sys.stdout.buffer.flush()


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell has what it runs in the background ignore the first
        signal.signal(number, signal.default_int_handler)
    folder = Path(tempfile.mkdtemp())
    try:
        lanes = [
            [Tier(name, folder, [str(HOME / "scripts/test"), name], prefix) for name in lane.split(",")]
            for lane, prefix in zip(sys.argv[1:], [GIVES_WAY] * len(sys.argv[2:]) + [()], strict=True)
        ]
        tiers = [*chain(*lanes)]
        run(lanes if psutil.virtual_memory().total >= MEMORY else [tiers], _print)
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    finally:
        shutil.rmtree(folder)
    print("\n== results")
    for tier in tiers:
        print(f"{tier.name}: {'failed' if tier.failed else 'passed'} after {tier.seconds:.0f} s")
    sys.exit(any(tier.failed for tier in tiers))


if __name__ == "__main__":
    main()
