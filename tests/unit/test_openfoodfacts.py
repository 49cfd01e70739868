"""How the API of Open Food Facts is read: what is asked of it, how fast, and what becomes of its failures."""

import itertools
import threading
import time
import tomllib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from tenacity import wait_none

from app.settings import HOME, Settings
from app.stopping import Stop
from producers import openfoodfacts
from producers.openfoodfacts import ATTEMPTS, FAILED_IN_A_ROW, NoAnswer, Search
from tests.openfoodfacts import (
    Answer,
    OpenFoodFacts,
    content,
    cut,
    dropped,
    error,
    open_food_facts,
    slow,
    too_many,
    trickle,
    truncated,
)

LENGTH = 10
FAILURES = {
    "429 Too Many Requests": too_many("0"),
    "500 Internal Server Error": error(500),
    "502 Bad Gateway": error(502),
    "503 Service Unavailable": error(503),
    "cut": cut,
    "dropped": dropped,
    "truncated JSON": truncated,
    "an HTML page": content(b"<!DOCTYPE html><html></html>"),
    "nothing": content(b""),
    "another object": content(b'{"status": 0}'),
    "products that are no list": content(b'{"count": 25, "products": {}}'),
    "products that are null": content(b'{"count": 25, "products": null}'),
    "no products and no count": content(b'{"page": 2, "products": []}'),
    "no products though there are": content(b'{"count": 25, "page": 2, "products": []}'),
    "deep nesting": content(b"[" * 100_000),
    "not UTF-8": content(b'{"count": 25, "products": ["\xff"]}'),
}
PASSING = [name for name in FAILURES if not name.startswith(("429", "503"))]  # after which the next page may come

Pages = Callable[..., list[int]]


@pytest.fixture
def api() -> Iterator[OpenFoodFacts]:
    """Three pages: 10, 10 and 5 products."""
    with open_food_facts(count=25) as running:
        yield running


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another attempt follows without a wait, unless the API asks for one."""
    monkeypatch.setattr(openfoodfacts, "BACKOFF", wait_none())


def settings(api: OpenFoodFacts, **changes: object) -> Settings:
    given: dict[str, object] = {"openfoodfacts_url": api.url, "batch_length": LENGTH, "openfoodfacts_requests": 10**6}
    return Settings(_env_file=None, **(given | changes))  # type: ignore[arg-type]


def search(api: OpenFoodFacts, **changes: object) -> Search:
    return Search(settings(api, **changes), Stop())


def read(of: Search) -> dict[int, int]:
    """How many products each page gives."""
    return {number: len(products) for number, products in of.pages(itertools.count(1))}


def test_pages_are_read_up_to_the_last_there_is(api: OpenFoodFacts) -> None:
    assert read(search(api)) == {1: 10, 2: 10, 3: 5}
    assert api.pages == [1, 2, 3, 4]


def test_no_page_is_asked_for_but_those_that_are_wanted(api: OpenFoodFacts) -> None:
    assert [page.number for page in search(api).pages(range(2, 4))] == [2, 3]
    assert api.pages == [2, 3]


def test_a_request_says_who_asks_and_what_for(api: OpenFoodFacts) -> None:
    read(search(api, openfoodfacts_contact="someone@example.org"))
    version = tomllib.loads((HOME / "pyproject.toml").read_text())["project"]["version"]
    request = api.requests[1]

    assert request.path == "/api/v2/search"
    assert request.agent == f"Tidemark/{version} (someone@example.org)"
    assert (request.query["page"], request.query["page_size"]) == ("2", "10")
    assert request.query["sort_by"] == "created_t"  # an order that an edit does not change
    assert {"code", "last_modified_t", "nutriscore_grade"} <= set(request.query["fields"].split(","))


@pytest.mark.usefixtures("at_once")
def test_requests_come_no_faster_than_the_rate_also_those_after_a_failure(api: OpenFoodFacts) -> None:
    api.failures[2] = [error(500), error(500)]
    read(search(api, openfoodfacts_requests=10 * 60))

    assert api.pages == [1, 2, 2, 2, 3, 4]
    assert 0.4 < api.requests[-1].at - api.requests[0].at < 20  # five times a tenth of a second


def test_what_a_slow_answer_has_cost_is_not_caught_up(api: OpenFoodFacts) -> None:
    api.failures[1] = [slow]
    read(search(api, openfoodfacts_requests=10 * 60))

    assert api.pages == [1, 2, 3, 4]
    assert api.requests[-1].at - api.requests[1].at > 0.1


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
def test_what_is_not_a_page_is_asked_for_again(
    api: OpenFoodFacts, failure: Answer, capsys: pytest.CaptureFixture[str]
) -> None:
    api.failures[2] = [failure] * (ATTEMPTS - 1)

    assert read(search(api)) == {1: 10, 2: 10, 3: 5}
    assert api.pages == [1, *[2] * ATTEMPTS, 3, 4]
    assert capsys.readouterr().err.count("page 2: ") == ATTEMPTS - 1


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("failure", [FAILURES[name] for name in PASSING], ids=PASSING)
def test_a_page_that_never_comes_is_skipped_by_name(
    api: OpenFoodFacts, failure: Answer, capsys: pytest.CaptureFixture[str]
) -> None:
    api.failures[2] = [failure] * ATTEMPTS

    assert read(search(api)) == {1: 10, 3: 5}
    assert f"page 2 is skipped after {ATTEMPTS} attempts: " in capsys.readouterr().err


@pytest.mark.usefixtures("at_once")
def test_that_several_pages_in_a_row_never_come_ends_the_reading(api: OpenFoodFacts) -> None:
    for page in range(2, 2 + FAILED_IN_A_ROW):
        api.failures[page] = [error(500)] * ATTEMPTS

    with pytest.raises(NoAnswer, match=rf"no answer from {api.url}: page 4: HTTP 500 Internal Server Error"):
        read(search(api))
    assert len(api.requests) == 1 + FAILED_IN_A_ROW * ATTEMPTS


@pytest.mark.usefixtures("at_once")
def test_as_many_pages_that_are_not_in_a_row_do_not(api: OpenFoodFacts) -> None:
    for page in (1, 2, 4, 5):
        api.failures[page] = [error(500)] * ATTEMPTS

    assert read(search(api, batch_length=5)) == {3: 5}


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("failure", [too_many("0"), error(503)])
def test_an_api_that_stays_busy_ends_the_reading(api: OpenFoodFacts, failure: Answer) -> None:
    api.failures[2] = [failure] * ATTEMPTS

    with pytest.raises(NoAnswer, match=r"page 2: HTTP (429|503)"):
        read(search(api))
    assert api.pages == [1, *[2] * ATTEMPTS]


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (error(403), "HTTP 403 Forbidden"),
        (error(404), "HTTP 404 Not Found"),
        (too_many("3600"), "HTTP 429 Too Many Requests, and not to ask again for 3,600 s"),
        (content(b'{"count": 25, "page": 1, "products": []}'), "has page 1 where 2 was asked for"),
        (content(b'{"count": 25, "page_size": 5, "products": []}'), "has page_size 5 where 10 was asked for"),
    ],
)
def test_an_answer_that_will_not_change_is_not_asked_for_again(api: OpenFoodFacts, failure: Answer, said: str) -> None:
    api.failures[2] = [failure]

    with pytest.raises(NoAnswer, match=f"page 2: .*{said}"):
        read(search(api))
    assert api.pages == [1, 2]


@pytest.mark.usefixtures("at_once")
def test_nobody_there_ends_the_reading(api: OpenFoodFacts) -> None:
    with pytest.raises(NoAnswer, match=r"no answer from http://127\.0\.0\.1:1: page 1: .*refused"):
        read(search(api, openfoodfacts_url="http://127.0.0.1:1"))


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("form", ["seconds", "date"])
def test_the_wait_is_the_one_that_the_api_asks_for(api: OpenFoodFacts, form: str) -> None:
    until = format_datetime(datetime.now(UTC) + timedelta(seconds=2.5), usegmt=True)
    api.failures[1] = [too_many("1" if form == "seconds" else until)]
    read(search(api))

    assert api.requests[1].at - api.requests[0].at >= 1


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7), ("0", 0), ("Wed, 21 Oct 2015 07:28:00 GMT", 0), ("", None), ("soon", None), ("-1", None)],
)
def test_a_wait_that_is_not_understood_is_not_taken_for_one(header: str, seconds: float | None) -> None:
    assert openfoodfacts._seconds(header) == seconds


def test_without_one_the_wait_is_that_of_the_window_for_429_and_else_doubles(
    api: OpenFoodFacts, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Search, "_sleep", lambda *_: None)
    api.failures[1] = [error(500)] * 4
    api.failures[2] = [too_many()]
    read(search(api))
    waits = [float(line.split(" in ")[1].split()[0]) for line in capsys.readouterr().err.splitlines()]

    assert all(0 <= wait - least <= 1 for wait, least in zip(waits, (1, 2, 4, 8), strict=False))
    assert waits[4:] == [60]


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize(("limit", "failure"), [("READ_SECONDS", slow), ("PAGE_SECONDS", trickle)])
def test_neither_silence_nor_a_trickle_is_waited_for(
    api: OpenFoodFacts, monkeypatch: pytest.MonkeyPatch, limit: str, failure: Answer
) -> None:
    monkeypatch.setattr(openfoodfacts, limit, 0.1)
    api.failures[2] = [failure]

    assert read(search(api)) == {1: 10, 2: 10, 3: 5}
    assert api.pages == [1, 2, 2, 3, 4]


@pytest.mark.parametrize("failure", [too_many("200"), trickle])
def test_a_stop_ends_every_wait_and_asks_for_no_more(api: OpenFoodFacts, failure: Answer) -> None:
    stopped = search(api)
    api.failures[2] = [failure]
    started = time.monotonic()
    timer = threading.Timer(0.3, stopped.stop.set)
    timer.start()

    assert read(stopped) == {1: 10}
    timer.join()
    assert api.pages == [1, 2]
    assert time.monotonic() - started < 60
