"""Asking the API. What it has answered before is kept, and sent by it again only when it no longer holds."""

from collections import OrderedDict
from http import HTTPStatus
from typing import Any

import requests

from app.settings import Settings

CONNECT_SECONDS = 3.0
ANSWER_SECONDS = 18.0  # to the first byte, and between two: longer than the API itself waits for Postgres
LAKE_SECONDS = 35.0  # the same, of what is read from the lake
UNSPECIFIED = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 - what the API listens on is not where it is asked
KEPT = 100  # answers
START = "Start the servers: `./scripts/up`, or without Docker `./scripts/demo`"


class ApiError(Exception):
    """The API did not give what was asked for; the message says why, and what to do."""


class Api:
    """The API at API_HOST and API_PORT. May be shared by threads that ask for different paths."""

    def __init__(self, settings: Settings) -> None:
        self.url = f"http://{UNSPECIFIED.get(settings.api_host, settings.api_host)}:{settings.api_port}"
        self._session = requests.Session()
        if settings.api_tokens is not None:
            self._session.headers["Authorization"] = f"Bearer {settings.api_tokens.read_text().split()[0]}"
        self._held: OrderedDict[str, tuple[str, Any]] = OrderedDict()

    def get(self, path: str, within: float = ANSWER_SECONDS) -> Any:
        """The JSON that the API answers with, beginning `within` seconds.

        Raises:
            ApiError: it does not answer in time, or with an error.
        """
        etag, held = self._held.get(path, ("", None))
        response = self._asked(path, {"If-None-Match": etag}, within)
        if response.status_code == HTTPStatus.NOT_MODIFIED:
            return held
        answer = self._json(path, response)
        if given := response.headers.get("ETag"):
            self._held[path] = (given, answer)
            while len(self._held) > KEPT:
                self._held.popitem(last=False)
        return answer

    def text(self, path: str) -> str:
        """The text that the API answers with; raises ApiError as `get` does."""
        return self._asked(path, {}, ANSWER_SECONDS).text

    def _asked(self, path: str, headers: dict[str, str], within: float) -> requests.Response:
        try:
            response = self._session.get(self.url + path, headers=headers, timeout=(CONNECT_SECONDS, within))
        except requests.RequestException as error:
            reason = _cause(error)
            raise ApiError(
                f"The API does not answer at {self.url} ({reason}). Start it: `python -m backend`"
            ) from error
        if response.status_code not in (HTTPStatus.OK, HTTPStatus.NOT_MODIFIED):
            answer = self._json(path, response)
            detail = str(answer.get("detail", answer))
            raise ApiError(f"The API answers {response.status_code}: {detail}{_help(response.status_code, detail)}")
        return response

    def _json(self, path: str, response: requests.Response) -> Any:
        try:
            return response.json()
        except ValueError as error:
            raise ApiError(
                f"What answers at {self.url} is not the API: {path} is not JSON. Set API_HOST and API_PORT"
            ) from error


def _help(status: int, detail: str) -> str:
    """What to do, where the API does not say it."""
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return ". Raise `API_RATE_LIMIT` of the API, or close some pages"
    if "Postgres does not answer" in detail and "./scripts/" not in detail:
        return f". {START}"
    return ""


def _cause(error: BaseException) -> BaseException:
    """What it began with: the same words whatever was asked."""
    while (before := error.__cause__ or error.__context__) is not None:
        error = before
    return error
