"""The files of the product are short enough to be read at once."""

from pathlib import Path

HOME = Path(__file__).resolve().parents[2]
MOST = 250  # lines
MOST_OF_A_PIPELINE = 80  # lines that are not empty: it is read whole by whoever looks for what a pipeline is


def test_no_module_of_the_jobs_is_too_long() -> None:
    lines = {path.name: path.read_text().count("\n") for path in HOME.glob("app/**/*.py")}

    assert {name: count for name, count in lines.items() if count > MOST} == {}


def test_no_pipeline_is_too_long_to_be_read_at_once() -> None:
    lines = {path.name: path.read_text().splitlines() for path in HOME.glob("app/pipelines/*.py")}
    counts = {name: sum(1 for line in found if line.strip()) for name, found in lines.items()}

    assert {name: count for name, count in counts.items() if count > MOST_OF_A_PIPELINE} == {}
