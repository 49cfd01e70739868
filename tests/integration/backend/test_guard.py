"""Who may ask, how often, and what a browser may do with the answer."""

from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest
from flask.testing import FlaskClient

from app.postgres import WeakPassword
from app.settings import Settings
from backend import create_app
from tests.integration.backend.conftest import VIEW

TOKEN, OTHER = "correct-horse-battery", "staple-and-a-good-one"


def api(database: Settings, **settings: Any) -> FlaskClient:
    return create_app(database.model_copy(update=settings)).test_client()


@pytest.fixture
def tokens(tmp_path: Path) -> Path:
    path = tmp_path / "tokens"
    path.write_text(f"{TOKEN}\n{OTHER}\n")
    return path


@pytest.mark.parametrize("token", [TOKEN, OTHER])
def test_whoever_has_a_token_may_ask(database: Settings, tokens: Path, token: str) -> None:
    answer = api(database, api_tokens=tokens).get("/pipelines", headers={"Authorization": f"Bearer {token}"})

    assert answer.status_code == 200


@pytest.mark.parametrize(
    "given", [None, "", "Bearer", "Bearer ", f"Basic {TOKEN}", f"Bearer {TOKEN}x", TOKEN, "Bearer é"]
)
def test_no_other_may(database: Settings, tokens: Path, given: str | None) -> None:
    client = api(database, api_tokens=tokens)
    headers = {} if given is None else {"Authorization": given}
    for path in ("/pipelines", VIEW, "/metrics", "/openapi.json", "/nothing"):
        refused = client.get(path, headers=headers)
        assert (refused.status_code, refused.content_type) == (401, "application/problem+json")
        assert refused.headers["WWW-Authenticate"].startswith("Bearer")
    assert client.get("/healthz").status_code == 200


def test_a_token_that_could_be_guessed_is_refused(database: Settings, tmp_path: Path) -> None:
    (tmp_path / "tokens").write_text("secret")
    with pytest.raises(WeakPassword):
        api(database, api_tokens=tmp_path / "tokens")


def test_who_asks_too_often_is_told_when_to_come_again(database: Settings) -> None:
    client = api(database, api_rate_limit=2)
    answers = [client.get("/pipelines") for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[-1].content_type == "application/problem+json"
    assert 0 < int(answers[-1].headers["Retry-After"]) <= 60
    assert client.get("/pipelines", environ_base={"REMOTE_ADDR": "127.0.0.2"}).status_code == 200
    assert client.get("/healthz").status_code == 200
    assert [api(database, api_rate_limit=0).get("/pipelines").status_code for _ in range(3)] == [200] * 3


def test_who_guesses_tokens_is_told_to_come_again_later(database: Settings, tokens: Path) -> None:
    client = api(database, api_tokens=tokens, api_rate_limit=2)
    for path in ("/pipelines", "/nothing"):
        guesses = [client.get(path, headers={"Authorization": f"Bearer guess-{number}"}) for number in range(3)]
        assert [one.status_code for one in guesses] == [401, 401, 429]


def test_what_is_refused_is_measured_from_its_beginning(database: Settings, tokens: Path) -> None:
    client = api(database, api_tokens=tokens, api_rate_limit=1)
    with patch("backend.metrics.time", SimpleNamespace(perf_counter=count().__next__)):
        assert [client.get("/pipelines").status_code for _ in range(2)] == [401, 429]
    metrics = client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"}).text

    for status in (401, 429):
        assert f'tidemark_api_seconds_sum{{endpoint="pipelines",status="{status}"}} 1.0' in metrics


def test_a_browser_may_ask_without_a_token_what_a_named_site_may_ask(database: Settings, tokens: Path) -> None:
    client = api(database, api_tokens=tokens, api_cors_origins="https://one.example")
    asked = {
        "Origin": "https://one.example",
        "Access-Control-Request-Method": "GET",
        "Access-Control-Request-Headers": "authorization, if-none-match",
    }
    allowed = client.options(VIEW, headers=asked)

    assert allowed.status_code == 200
    assert allowed.headers["Access-Control-Allow-Origin"] == "https://one.example"
    assert allowed.headers["Access-Control-Allow-Headers"].lower() == "authorization, if-none-match"
    assert client.get(VIEW, headers=asked).status_code == 401
    assert client.options(VIEW).data == b""


def test_no_other_site_may_read_an_answer_unless_it_is_named(database: Settings) -> None:
    origin = {"Origin": "https://one.example"}
    allow = "Access-Control-Allow-Origin"

    assert allow not in api(database).get("/pipelines", headers=origin).headers
    named = api(database, api_cors_origins="https://one.example,https://two.example")
    answer = named.get("/pipelines", headers=origin)
    assert answer.headers[allow] == "https://one.example"
    exposed = set(answer.headers["Access-Control-Expose-Headers"].split(", "))
    assert exposed == {"ETag", "Link", "Retry-After", "Tidemark-Meta"}
    assert allow not in named.get("/pipelines", headers={"Origin": "https://three.example"}).headers


@pytest.mark.parametrize("path", ["/pipelines", VIEW, "/nothing", "/swagger"])
def test_every_answer_has_the_headers_that_a_browser_needs(database: Settings, path: str) -> None:
    headers = api(database).get(path).headers

    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Content-Security-Policy"].startswith(
        "default-src 'self'" if path == "/swagger" else "default-src 'none'"
    )
