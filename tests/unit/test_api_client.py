"""What asks the API: what it holds, what it says when there is no answer."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

from app.settings import Settings, settings
from dashboard.api import START, Api, ApiError
from tests.answering import Server, server

__all__ = ["server"]  # a fixture


@pytest.fixture
def asked() -> Iterator[tuple[int, list[dict[str, str]]]]:
    """A server that gives an ETag and answers 304 to it: its port, and the headers of each request."""
    seen: list[dict[str, str]] = []

    @Request.application
    def answer(request: Request) -> Response:
        seen.append(dict(request.headers))
        if request.if_none_match.contains_weak("one"):
            return Response(status=304)
        response = Response(json.dumps({"number": len(seen)}))
        response.set_etag("one", weak=True)
        return response

    made = make_server("127.0.0.1", 0, answer)
    thread = threading.Thread(target=made.serve_forever)
    thread.start()
    yield made.port, seen
    made.shutdown()
    thread.join()
    made.server_close()


def test_what_still_holds_is_not_sent_again(asked: tuple[int, list[dict[str, str]]]) -> None:
    port, seen = asked
    api = Api(Settings(_env_file=None, api_port=port))

    first, second = api.get("/pipelines"), api.get("/pipelines")
    assert first is second
    assert seen[1]["If-None-Match"] == 'W/"one"'


def test_the_first_token_is_sent(asked: tuple[int, list[dict[str, str]]], tmp_path: Path) -> None:
    port, seen = asked
    (tmp_path / "tokens").write_text("first\nsecond\n")
    Api(Settings(_env_file=None, api_port=port, api_tokens=tmp_path / "tokens")).get("/pipelines")

    assert seen[0]["Authorization"] == "Bearer first"


def test_another_server_at_the_address_is_not_taken_for_the_api(server: Server) -> None:
    server.answers["/pipelines"] = (200, "<html>")

    with pytest.raises(ApiError, match=r"is not the API: /pipelines is not JSON\. Set API_HOST and API_PORT"):
        Api(settings()).get("/pipelines")


def test_an_api_that_is_not_there_is_named_with_the_command(server: Server) -> None:
    server.close()

    with pytest.raises(ApiError, match=rf"does not answer at http://127.0.0.1:{server.port} .*`python -m backend`"):
        Api(settings()).get("/pipelines")


def test_an_api_that_is_not_there_is_named_in_the_same_words_whatever_is_asked(server: Server) -> None:
    server.close()
    said = set()
    for path in ("/pipelines", "/quarantine"):
        with pytest.raises(ApiError) as failed:
            Api(settings()).get(path)
        said.add(str(failed.value))

    assert len(said) == 1


@pytest.mark.parametrize(
    ("status", "detail", "helps"),
    [
        (429, "1200 per 1 minute", ". Raise `API_RATE_LIMIT` of the API, or close some pages"),
        (503, "Postgres does not answer; start it", f". {START}"),
        (503, "Postgres does not answer; start it with ./scripts/up", ""),
        (503, "parcels is not served yet; run ./scripts/migrate", ""),
    ],
)
def test_what_names_no_command_gets_one(server: Server, status: int, detail: str, helps: str) -> None:
    server.fail(status, detail)

    with pytest.raises(ApiError) as failed:
        Api(settings()).get("/pipelines")
    assert str(failed.value) == f"The API answers {status}: {detail}{helps}"


def test_a_text_is_read_as_it_is_and_refused_like_all_else(server: Server) -> None:
    assert "tidemark_api_seconds_bucket" in Api(settings()).text("/metrics")
    server.fail(503, "busy")

    with pytest.raises(ApiError, match="503: busy"):
        Api(settings()).text("/metrics")


@pytest.mark.parametrize(
    ("host", "url"),
    [("0.0.0.0", "http://127.0.0.1:5550"), ("::", "http://[::1]:5550"), ("api", "http://api:5550")],  # noqa: S104
)
def test_an_api_that_listens_everywhere_is_asked_at_the_loopback(host: str, url: str) -> None:
    given: dict[str, Any] = {"api_host": host}
    assert Api(Settings(_env_file=None, **given)).url == url
