"""The search API of Open Food Facts: pages of products, no faster than it allows, whatever it answers.

What is not a page (an error, an answer that is cut short or malformed) is asked for again: after the time that the API
names, else after a wait that doubles, with a random part. A page that fails all the same is skipped, and that is said.
That the API does not answer at all, or refuses to, ends the reading.

Its rules: https://openfoodfacts.github.io/openfoodfacts-server/api
"""

import json
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from http import HTTPStatus
from typing import Any, NamedTuple

import requests
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_exponential_jitter
from urllib3.exceptions import MaxRetryError

from app.settings import Settings
from app.stopping import Stop
from producers.producing import Pace

AGENT = "Tidemark/0.1.0"
FIELDS = (
    "code", "product_name", "brands", "categories", "countries_tags_en", "nutriscore_grade", "nutriscore_score",
    "nova_group", "ecoscore_grade", "nutriments", "completeness", "created_t", "last_modified_t",
)  # fmt: skip
ORDER = "created_t"  # an edit does not move a product to another page; a new product comes before the first
ATTEMPTS = 5
BACKOFF = wait_exponential_jitter(multiplier=1, max=60, jitter=1)  # seconds
WINDOW_SECONDS = 60  # in which the API counts the requests
LONGEST_ASKED = 300  # seconds that the API may ask to wait
CONNECT_SECONDS, READ_SECONDS, PAGE_SECONDS = 5, 30, 120
FAILED_IN_A_ROW = 3  # pages
CHUNK = 65_536  # bytes


class NoAnswer(Exception):
    """The API does not answer, or refuses to. The message says for which page, and why."""


class Page(NamedTuple):
    """Products as the API gives them; `number` from 1."""

    number: int
    products: list[Any]


class Failure(Exception):
    """An answer that is not a page.

    `again`: another attempt may help. `skip`: the next page may come when this one does not. `asked`: seconds that the
    API asks to wait.
    """

    def __init__(self, what: str, *, again: bool = True, skip: bool = True, asked: float | None = None) -> None:
        super().__init__(what)
        self.again, self.skip, self.asked = again, skip, asked


class _Stopped(Exception):
    """A signal came."""


@dataclass(frozen=True)
class Search:
    """All products, by page. When `stop` is set it waits no longer, and reads no further."""

    settings: Settings
    stop: Stop

    def pages(self, numbers: Iterable[int]) -> Iterator[Page]:
        """The pages of these numbers, up to the last there is; without those that are skipped.

        Raises:
            NoAnswer: for one page or, where the next may help, for FAILED_IN_A_ROW of them.
        """
        failed = 0
        for number in numbers:
            try:
                products = self._retrying(self._products, number)
            except _Stopped:
                return
            except Failure as error:
                if self.stop.is_set():
                    return
                failed += 1
                if not error.skip or failed == FAILED_IN_A_ROW:
                    raise NoAnswer(
                        f"no answer from {self.settings.openfoodfacts_url}: page {number}: {error}"
                    ) from error
                say(f"page {number} is skipped after {ATTEMPTS} attempts: {error}")
                continue
            if not products:
                return
            failed = 0
            yield Page(number, products)

    @cached_property
    def _retrying(self) -> Retrying:
        return Retrying(
            retry=retry_if_exception(lambda error: isinstance(error, Failure) and error.again),
            stop=stop_after_attempt(ATTEMPTS),
            wait=_wait,
            sleep=self._sleep,
            before_sleep=_say_again,
            reraise=True,
        )

    def _sleep(self, seconds: float) -> None:
        self.stop.wait(seconds)

    @cached_property
    def _pace(self) -> Pace:
        return Pace(self.settings.openfoodfacts_requests / 60, burst=0)  # a limit, not a rate to reach

    @cached_property
    def _session(self) -> requests.Session:
        session = requests.Session()
        contact = self.settings.openfoodfacts_contact or "no contact given"
        session.headers["User-Agent"] = f"{AGENT} ({contact})"
        return session

    def _products(self, number: int) -> list[Any]:
        """The products of a page in one attempt, an empty list after the last page."""
        if self.stop.wait(self._pace.delay()):
            raise _Stopped
        length = self.settings.batch_length
        query: dict[str, str | int] = {
            "page": number,
            "page_size": length,
            "fields": ",".join(FIELDS),
            "sort_by": ORDER,
        }
        try:
            with self._session.get(
                f"{self.settings.openfoodfacts_url}/api/v2/search", params=query, stream=True,
                timeout=(CONNECT_SECONDS, READ_SECONDS),
            ) as answer:  # fmt: skip
                _refuse_error(answer)
                body = b"".join(self._chunks(answer))
        except requests.RequestException as error:
            cause = error.args[0] if error.args else error
            if isinstance(cause, MaxRetryError):  # there was no connection at all
                raise Failure(str(cause.reason), skip=False) from error
            raise Failure(str(cause)) from error
        return _parsed(body, number, length)

    def _chunks(self, answer: requests.Response) -> Iterator[bytes]:
        """The content of an answer. The time-out of the client is for each read: a trickle would go on for ever."""
        latest = time.monotonic() + PAGE_SECONDS
        for chunk in answer.iter_content(CHUNK):
            if self.stop.is_set():
                raise _Stopped
            if time.monotonic() > latest:
                raise Failure(f"the answer is not complete after {PAGE_SECONDS} s")
            yield chunk


def say(text: str) -> None:
    """Says it on standard error, above the live line of a terminal, which click.echo would write into."""
    print(text, file=sys.stderr, flush=True)


def _wait(state: RetryCallState) -> float:
    asked = state.outcome.exception().asked if state.outcome else None  # type: ignore[union-attr]
    return BACKOFF(state) if asked is None else float(asked)


def _say_again(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    after = f"attempt {state.attempt_number + 1} of {ATTEMPTS} in {state.upcoming_sleep:.0f} s"
    say(f"page {state.args[0]}: {error}; {after}")


def _refuse_error(answer: requests.Response) -> None:
    status = answer.status_code
    if status == HTTPStatus.OK:
        return
    what = f"HTTP {status} {answer.reason}"
    if status != HTTPStatus.TOO_MANY_REQUESTS and status < HTTPStatus.INTERNAL_SERVER_ERROR:
        raise Failure(what, again=False, skip=False)
    asked = _seconds(answer.headers.get("Retry-After", ""))
    if asked is not None and asked > LONGEST_ASKED:
        raise Failure(f"{what}, and not to ask again for {asked:,.0f} s", again=False, skip=False)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        raise Failure(what, skip=False, asked=WINDOW_SECONDS if asked is None else asked)
    raise Failure(what, skip=status != HTTPStatus.SERVICE_UNAVAILABLE, asked=asked)


def _seconds(retry_after: str) -> float | None:
    """What a Retry-After header asks for: a number of seconds, or a date. None where it is neither."""
    if retry_after.isdecimal():
        return float(retry_after)
    with suppress(ValueError, TypeError):  # it is neither, or a date without a zone
        until = parsedate_to_datetime(retry_after)
        return max(0.0, (until - datetime.now(UTC)).total_seconds())
    return None


def _parsed(body: bytes, number: int, length: int) -> list[Any]:
    try:
        page = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Failure(f"the answer is not JSON: {error}") from error
    products = page.get("products") if isinstance(page, dict) else None
    if not isinstance(products, list):
        raise Failure("the answer is JSON, but has no list of products")
    for name, asked in (("page", number), ("page_size", length)):
        if str(page.get(name, asked)) != str(asked):
            what = f"the answer has {name} {page[name]!r} where {asked} was asked for"
            raise Failure(what, again=False, skip=False)
    there = page.get("count")
    if not products and (not isinstance(there, int) or there > (number - 1) * length):
        raise Failure(f"the answer has no products, and count {there!r}")
    return products
