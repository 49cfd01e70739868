"""The files of the product are short enough to be read at once."""

from pathlib import Path

HOME = Path(__file__).resolve().parents[2]
MOST = 250  # lines


def test_no_module_of_the_jobs_is_too_long() -> None:
    lines = {path.name: path.read_text().count("\n") for path in HOME.glob("app/**/*.py")}

    assert {name: count for name, count in lines.items() if count > MOST} == {}
