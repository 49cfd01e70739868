"""Asking the API."""

import json
from contextlib import closing
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from typing import Any

from app.settings import Settings

TIMEOUT = 3.0  # seconds
UNSPECIFIED = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - what the API listens on is not where it is asked


class ApiError(Exception):
    """The API did not give what was asked for; the message says why, and what to do."""


class Api:
    """The API at API_HOST and API_PORT."""

    def __init__(self, settings: Settings) -> None:
        self.host = UNSPECIFIED.get(settings.api_host, settings.api_host)
        self.port = settings.api_port

    def get(self, path: str) -> Any:
        """The JSON that the API answers with.

        Raises:
            ApiError: it does not answer in time, or with an error.
        """
        try:
            with closing(HTTPConnection(self.host, self.port, timeout=TIMEOUT)) as connection:
                connection.request("GET", path)
                response = connection.getresponse()
                body = response.read()
        except (OSError, HTTPException) as error:
            raise ApiError(
                f"The API does not answer at http://{self.host}:{self.port} ({error}). Start it: `python -m backend`"
            ) from error
        try:
            answer = json.loads(body)
        except ValueError as error:
            raise ApiError(
                f"What answers at http://{self.host}:{self.port} is not the API: {path} is not JSON. "
                "Set API_HOST and API_PORT"
            ) from error
        if response.status != HTTPStatus.OK:
            raise ApiError(f"The API answers {response.status}: {answer.get('detail', answer)}")
        return answer
