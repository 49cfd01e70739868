"""From where products come, and where a run goes on that was stopped."""

import json
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tenacity import wait_none

import app.settings
from app.settings import HOME, Settings
from app.stopping import Stop
from producers import openfoodfacts
from producers.openfoodfacts import ATTEMPTS
from producers.producing import Message, ProduceError
from producers.products import Position, main, messages
from tests.openfoodfacts import Handler, OpenFoodFacts, content, error, open_food_facts

LINES = (HOME / "datasets/openfoodfacts_products.jsonl").read_text().splitlines()
NOWHERE = "http://127.0.0.1:1"


@pytest.fixture
def api() -> Iterator[OpenFoodFacts]:
    """Three pages of 10: 10, 10 and 5 products."""
    with open_food_facts(count=25) as running:
        yield running


@pytest.fixture
def position(tmp_path: Path) -> Position:
    return Position(tmp_path / "data/position.json")


@pytest.fixture
def settings(api: OpenFoodFacts, position: Position, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Those of a run that reads the API."""
    monkeypatch.setattr(openfoodfacts, "BACKOFF", wait_none())
    return Settings(
        _env_file=None, use_api=True, batch_length=10, openfoodfacts_url=api.url, openfoodfacts_requests=10**6,
        openfoodfacts_position=position.file,
    )  # fmt: skip


def delivered(settings: Settings, count: int | None = None) -> list[Message]:
    """The first messages of a run, each delivered before the next is taken."""
    taken = []
    for one in islice(messages(settings, Stop()), count):
        taken.append(one)
        if one.on_delivered is not None:
            one.on_delivered()
    return taken


def event(of: Message) -> Any:
    return json.loads(of.value)


def codes(of: list[Message]) -> list[str]:
    return [one.key.decode() for one in of]


def expected(api: OpenFoodFacts) -> list[str]:
    return [product["code"] for product in api.products]


def test_without_the_api_all_of_the_bundled_sample_is_sent_and_that_is_said(
    capsys: pytest.CaptureFixture[str], api: OpenFoodFacts
) -> None:
    sent = delivered(Settings(_env_file=None, use_api=False, openfoodfacts_url=api.url))
    said = capsys.readouterr().err

    assert codes(sent) == [json.loads(line)["code"] for line in LINES]
    assert said == "USE_API is false: sending the bundled sample, datasets/openfoodfacts_products.jsonl\n"
    assert api.requests == []


def test_every_product_of_the_api_is_sent(settings: Settings, api: OpenFoodFacts) -> None:
    assert codes(delivered(settings)) == expected(api)
    assert api.pages == [1, 2, 3, 4]


def test_a_run_that_is_stopped_in_the_middle_of_a_page_goes_on_with_that_page(
    settings: Settings, api: OpenFoodFacts, position: Position
) -> None:
    before = delivered(settings, count=13)
    assert (codes(before), position.read()) == (expected(api)[:13], 10)
    after = delivered(settings)

    assert codes(after) == expected(api)[10:]
    assert api.pages == [1, 2, 2, 3, 4]


def test_a_page_that_is_not_delivered_is_read_again(settings: Settings, position: Position) -> None:
    list(islice(messages(settings, Stop()), 15))

    assert position.read() == 0


def test_a_run_that_read_to_the_end_is_followed_by_one_from_the_start(
    settings: Settings, api: OpenFoodFacts, position: Position, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = delivered(settings), delivered(settings)

    assert codes(first) == codes(second) == expected(api)
    assert not position.file.exists()
    assert capsys.readouterr().err.count("read to the end; the next run starts at page 1") == 2


def test_another_length_of_pages_leaves_no_product_out(
    settings: Settings, api: OpenFoodFacts, position: Position
) -> None:
    delivered(settings, count=20)
    assert position.read() == 20
    after = delivered(settings.model_copy(update={"batch_length": 8}))

    assert codes(after) == expected(api)[16:]


@pytest.mark.parametrize(("most", "pages"), [(7, [1]), (20, [1, 2]), (21, [1, 2, 3])])
def test_no_more_products_are_read_than_wanted(
    settings: Settings, api: OpenFoodFacts, most: int, pages: list[int]
) -> None:
    sent = delivered(settings.model_copy(update={"max_offset": most}))

    assert codes(sent) == expected(api)[:most]
    assert api.pages == pages


def test_what_the_api_gives_is_sent_also_where_it_is_no_product(settings: Settings, api: OpenFoodFacts) -> None:
    api.failures[1] = [content(b'{"count": 25, "products": [null, {"code": 1}]}')]

    assert [event(one) for one in delivered(settings)[:2]] == [None, {"code": 1}]


def test_the_sample_is_sent_where_the_api_does_not_answer_and_that_is_said(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    sent = delivered(settings.model_copy(update={"openfoodfacts_url": NOWHERE}))
    said = capsys.readouterr().err

    assert len(sent) == len(LINES)
    assert f"no answer from {NOWHERE}: page 1: " in said
    assert said.endswith(": sending the bundled sample, datasets/openfoodfacts_products.jsonl\n")


def test_the_sample_does_not_follow_products_of_the_api(
    settings: Settings, api: OpenFoodFacts, position: Position
) -> None:
    api.failures[2] = [error(503)] * ATTEMPTS

    with pytest.raises(ProduceError, match=r"page 2: HTTP 503 .* start again to go on there"):
        delivered(settings)
    assert position.read() == 10


def test_a_page_that_is_skipped_is_passed_with_the_next_one(
    settings: Settings, api: OpenFoodFacts, position: Position, capsys: pytest.CaptureFixture[str]
) -> None:
    api.failures[2] = [error(500)] * ATTEMPTS
    sent = delivered(settings, count=15)

    assert codes(sent) == expected(api)[:10] + expected(api)[20:]
    assert position.read() == 30
    assert "page 2 is skipped" in capsys.readouterr().err


def test_after_a_stop_nothing_more_is_sent_and_the_position_stays(
    settings: Settings, api: OpenFoodFacts, position: Position
) -> None:
    stop = Stop()
    source = messages(settings, stop)
    first = list(islice(source, 10))
    assert first[-1].on_delivered is not None
    first[-1].on_delivered()
    stop.set()

    assert list(source) == []
    assert (position.read(), api.pages) == (10, [1])


def test_a_stop_while_the_api_does_not_answer_sends_no_sample(settings: Settings, api: OpenFoodFacts) -> None:
    stop = Stop()

    def stopping(handler: Handler, body: bytes) -> None:
        stop.set()
        error(503)(handler, body)

    api.failures[1] = [*[error(503)] * (ATTEMPTS - 1), stopping]

    assert list(messages(settings, stop)) == []
    assert api.pages == [1] * ATTEMPTS


@pytest.mark.parametrize("text", ["", "{", "[]", "10", '{"offset": -1}', '{"offset": "10"}', '{"page": 1}', "\x00"])
def test_a_position_that_cannot_be_read_is_an_error_that_says_what_to_do(position: Position, text: str) -> None:
    position.file.parent.mkdir()
    position.file.write_text(text)

    with pytest.raises(ProduceError, match=r"position\.json is not a position .*; delete it to start anew"):
        position.read()


def test_a_position_that_cannot_be_kept_is_an_error_that_names_the_setting(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(ProduceError, match=r"cannot be kept: .*; set OPENFOODFACTS_POSITION"):
        Position(tmp_path / "file/position.json").write(1)


def test_a_setting_that_is_not_allowed_is_an_error_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BATCH_LENGTH", "1000")
    app.settings.settings.cache_clear()
    done = CliRunner().invoke(main, ["--bootstrap-servers", "127.0.0.1:1"])
    app.settings.settings.cache_clear()

    assert done.exit_code == 1
    assert re.search(r"Error: (?s:.)*batch_length(?s:.)*less than or equal to 100", done.stderr)


@pytest.mark.parametrize("arguments", [["--rate", "-1"], ["--count", "0"], ["--seed", "1"]])
def test_an_option_out_of_range_is_refused_by_name(arguments: list[str]) -> None:
    done = CliRunner().invoke(main, arguments)

    assert done.exit_code == 2
    assert arguments[0] in done.stderr
