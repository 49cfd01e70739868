"""Products of Open Food Facts: with USE_API those of its API, page by page, else the bundled sample."""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import click

from app.pipelines.products import PIPELINE
from app.settings import HOME, Settings
from app.stopping import Stop
from producers.openfoodfacts import NoAnswer, Search, say
from producers.options import Run, run_options, valid_settings
from producers.producing import Message, ProduceError, produce

SAMPLE = HOME / "datasets/openfoodfacts_products.jsonl"
FIELDS = (
    "code", "product_name", "brands", "categories", "countries_en", "nutriscore_grade", "nutriscore_score",
    "nova_group", "ecoscore_grade", "energy_100g", "fat_100g", "saturated_fat_100g", "sugars_100g", "proteins_100g",
    "fiber_100g", "salt_100g", "completeness", "created_t", "last_modified_t",
)  # fmt: skip


@dataclass(frozen=True)
class Position:
    """How many products have been read and delivered, kept in a file: a run that is stopped goes on there."""

    file: Path

    def read(self) -> int:
        try:
            offset = json.loads(self.file.read_text())["offset"]
        except FileNotFoundError:
            return 0
        except (OSError, ValueError, KeyError, TypeError):
            offset = None
        if not isinstance(offset, int) or offset < 0:
            raise ProduceError(f'{self.file} is not a position such as {{"offset": 100}}; delete it to start anew')
        return offset

    def write(self, offset: int) -> None:
        new = self.file.with_name(f"{self.file.name}.new")
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            new.write_text(json.dumps({"offset": offset}))
            new.replace(self.file)
        except OSError as error:
            raise ProduceError(f"the position cannot be kept: {error}; set OPENFOODFACTS_POSITION") from error

    def clear(self) -> None:
        self.file.unlink(missing_ok=True)


def messages(settings: Settings, stop: Stop) -> Iterator[Message]:
    """The products that the settings ask for, and which these are, said on standard error.

    Raises:
        ProduceError: the API stops to answer when products of it have been sent.
    """
    if not settings.use_api:
        yield from sample("USE_API is false")
        return
    sent = False
    try:
        for one in from_api(settings, stop):
            sent = True
            yield one
    except NoAnswer as error:
        if sent:
            raise ProduceError(f"{error}. What came before is in Kafka; start again to go on there") from error
        yield from sample(str(error))


def sample(reason: str) -> Iterator[Message]:
    """All products of the bundled sample."""
    say(f"{reason}: sending the bundled sample, {SAMPLE.relative_to(HOME)}")
    with SAMPLE.open(encoding="utf-8") as lines:
        for line in lines:
            yield message(json.loads(line))


def from_api(settings: Settings, stop: Stop) -> Iterator[Message]:
    """Products of the API from the kept position to MAX_OFFSET or the last. A delivered page moves the position.

    Raises:
        NoAnswer: see `Search.pages`.
        ProduceError: the position cannot be read.
    """
    length, most, position = settings.batch_length, settings.max_offset, Position(settings.openfoodfacts_position)
    first = position.read() // length + 1
    say(f"reading {settings.openfoodfacts_url} from page {first}, {length} products a page")
    for number, products in Search(settings, stop).pages(range(first, -(-most // length) + 1)):
        *others, last = (message(product) for product in products[: most - (number - 1) * length])
        yield from others
        yield last._replace(on_delivered=partial(position.write, number * length))
    if not stop.is_set():
        say("read to the end; the next run starts at page 1")
        position.clear()


def message(product: Any) -> Message:
    """A product of the API or of the sample in one shape: the FIELDS it has, nutrients beside the others.

    What is not as it should be stays as it is: the pipeline tells good from bad. A product without a code has the
    empty key.
    """
    if not isinstance(product, dict):
        return Message(b"", json.dumps(product).encode())
    countries, nutrients = product.get("countries_tags_en"), product.get("nutriments")
    known: dict[str, Any] = {"countries_en": ",".join(map(str, countries))} if isinstance(countries, list) else {}
    for part in (nutrients, product):
        known |= {name.replace("-", "_"): value for name, value in part.items()} if isinstance(part, dict) else {}
    found = {name: known[name] for name in FIELDS if known.get(name) not in (None, "")}
    key = str(found.get("code", "")).encode(errors="backslashreplace")
    return Message(key, json.dumps(found).encode())


@click.command()
@run_options("rate", "count")
def main(run: Run) -> None:
    """Send products to Kafka: of the Open Food Facts API with USE_API=true, else those of the bundled sample, once."""
    stop = Stop()
    source = islice(messages(valid_settings(), stop), run.count)
    click.echo(produce(source, PIPELINE.topic.name, run.bootstrap_servers, run.rate, stop))


if __name__ == "__main__":
    main()
