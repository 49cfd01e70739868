"""Housing values in suburbs of Boston: the rows of a CSV file, a batch of them a message."""

import csv
import re
import sys
from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import partial
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import click

from app.pipelines.housing import PIPELINE
from app.settings import HOME
from producers.encoding import encoded
from producers.options import Run, run_options
from producers.producing import Message, ProduceError, produce

HEADER = ("CRIM", "ZN", "INDUS", "CHAS", "NOX", "RM", "AGE", "DIS", "RAD", "TAX", "PTRATIO", "B", "LSTAT", "MEDV")
NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?(E[+-]?[0-9]{1,2})?", re.IGNORECASE)
MOST = 1_000  # records in a message, which stays far below the megabyte that Kafka takes

Record = Mapping[str, Decimal | int | str | None]


def records(file: Path) -> list[Record]:
    """The rows of a file, each with its number as `id`, from 1: an edited row keeps its id, an added one gets the next.

    Numbers have the digits that they have in the file. What is not a number stays a text, and what is empty is null:
    the pipeline tells good from bad.

    Raises:
        ProduceError: it is not a CSV file with this header, or a row has another length; the message names the line.
    """
    with file.open(encoding="utf-8-sig", newline="") as text:
        rows = csv.reader(text, strict=True)
        try:
            if (header := next(rows, [])) != list(HEADER):
                raise ProduceError(f"{file}, line 1: the header is {','.join(header)!r}, expected {','.join(HEADER)!r}")
            return [
                _record(number, row, f"{file}, line {rows.line_num}")
                for number, row in enumerate(filter(None, rows), 1)
            ]
        except (csv.Error, UnicodeDecodeError) as error:
            raise ProduceError(f"{file}, after line {rows.line_num}: {error}; expected a CSV file in UTF-8") from error


def _record(number: int, row: list[str], place: str) -> Record:
    if len(row) != len(HEADER):
        raise ProduceError(f"{place}: {len(row)} values, expected {len(HEADER)}")
    return {"id": number} | {name.lower(): _value(text.strip()) for name, text in zip(HEADER, row, strict=True)}


def _value(text: str) -> Decimal | str | None:
    return Decimal(text) if NUMBER.fullmatch(text) else text or None


def messages(found: list[Record], size: int, partitions: int) -> Iterator[Message]:
    """The records in batches of `size`, each a JSON array, in turn to the first `partitions` partitions of the topic.

    A batch is keyed by the id of its first record. That it was delivered is said on standard output.
    """
    for number, start in enumerate(range(0, len(found), size)):
        batch = found[start : start + size]
        value = b"[" + b", ".join(map(encoded, batch)) + b"]"
        said = partial(print, f"Sent batch of {len(batch)} records to Kafka", flush=True)
        yield Message(str(batch[0]["id"]).encode(), value, "batches", number % partitions, said)


@click.command()
@run_options("rate")
@click.option("--batch-size", type=click.IntRange(1, MOST), default=100, show_default=True, help="Records a message")
@click.option(
    "--partitions", type=click.IntRange(1, PIPELINE.topic.partitions), default=PIPELINE.topic.partitions,
    show_default=True, help="Partitions of the topic to spread the messages over",
)  # fmt: skip
@click.option(
    "--file", type=click.Path(exists=True, dir_okay=False, path_type=Path), default=HOME / "datasets/housing.csv",
    help="Another file with the same header  [default: datasets/housing.csv]",
)  # fmt: skip
def main(run: Run, batch_size: int, partitions: int, file: Path) -> None:
    """Send the rows of the housing file to Kafka, in batches, once."""
    source = messages(records(file), batch_size, partitions)
    click.echo(produce(source, PIPELINE.topic.name, run.bootstrap_servers, run.rate), err=True)


if __name__ == "__main__":
    main()
