"""The producers of several pipelines, side by side, until stopped: `python -m producers [PIPELINE …]`."""

import subprocess
import sys

import click

from app import pipelines
from app.stopping import Stop, asked_to_stop
from producers.each import DISORDER, commands
from producers.options import valid_settings

LOOK_SECONDS = 1
STOP_SECONDS = 20


@click.command()
@click.argument("names", nargs=-1, metavar="[PIPELINE]...")
@click.option(
    "--rate", type=click.FloatRange(min=0), help="Messages a second of each  [default: that of each producer]"
)
@click.option("--count", type=click.IntRange(min=1), help="New events of each  [default: until stopped]")
def main(names: tuple[str, ...], rate: float | None, count: int | None) -> None:
    """Send events of PIPELINES (default: all), a share of them late or twice, until stopped.

    A producer that has sent all it has leaves the others at work. One that fails ends all of them.
    """
    try:
        chosen = pipelines.select(names)
    except KeyError as error:
        raise click.ClickException(str(error.args[0])) from error
    stop = asked_to_stop()
    given: dict[str, object] = {name: value for name, value in (("rate", rate), ("count", count)) if value is not None}
    running = {
        f"the {way.replace('-', ' ')} of {pipeline.name}": subprocess.Popen(words)
        for pipeline in chosen
        for way, words in commands(pipeline, valid_settings().drops_path, {**given, **DISORDER}).items()
    }
    failed = _until_one_fails(running, stop, ends=count is not None)
    for process in running.values():
        process.terminate()
    for process in running.values():
        process.wait(STOP_SECONDS)
    if failed:
        sys.exit(f"Error: {', '.join(failed)} failed; the lines above say why")


def _until_one_fails(running: dict[str, "subprocess.Popen[bytes]"], stop: Stop, ends: bool) -> list[str]:
    """The producers that failed, as soon as there are any; none when `stop` is set, or when all have ended."""
    while not stop.wait(LOOK_SECONDS):
        codes = {name: process.poll() for name, process in running.items()}
        if failed := [name for name, code in codes.items() if code]:
            return failed
        if ends and None not in codes.values():
            break
    return []


if __name__ == "__main__":
    main()
