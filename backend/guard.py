"""Who may ask, how often, and what a browser may do with the answer."""

import hmac
from collections.abc import Callable

from flask import Flask, Response, request
from flask_cors import CORS
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Unauthorized

from app.postgres import require_strong
from app.settings import Settings
from backend.answers import META, NEXT
from backend.problems import BadParameters, Parameter

OPEN = frozenset({"/healthz", "/readyz"})  # for those that watch over the API: they need no token, and may ask at will
# The page that shows the description of the API brings its own scripts and styles; all else is no page.
NO_PAGE = "default-src 'none'; frame-ancestors 'none'"
PAGE = "default-src 'self'; style-src 'self' 'unsafe-inline'; script-src 'self' 'unsafe-inline'; img-src 'self' data:"
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-site",
}

ASKED = ["Authorization", "If-None-Match"]  # headers that the pages of another site may send
EXPOSED = ["ETag", "Retry-After", META, NEXT]  # headers that the pages of another site may read


class Limits(Limiter):
    """Limits what asks for no endpoint, too: there, tokens could be guessed as well."""

    def identify_request(self) -> str:
        return request.endpoint or "none"


def init_app(app: Flask, settings: Settings) -> None:
    """Raises WeakPassword where a token could be guessed, and OSError where their file cannot be read."""
    app.after_request(_headed)
    if settings.api_rate_limit:
        limit = f"{settings.api_rate_limit} per minute"
        limiter = Limits(
            get_remote_address, app=app, default_limits=[limit], storage_uri="memory://", headers_enabled=True
        )
        limiter.request_filter(lambda: request.path in OPEN)
    if settings.api_tokens is not None:
        app.before_request(_authorized(tokens(settings)))
    app.before_request(_each_once)
    if settings.api_cors_origins:
        origins = settings.api_cors_origins.split(",")
        CORS(app, origins=origins, methods=["GET", "HEAD"], allow_headers=ASKED, expose_headers=EXPOSED)


def tokens(settings: Settings) -> list[str]:
    """The tokens of API_TOKENS, one a line."""
    if settings.api_tokens is None:
        return []
    lines = settings.api_tokens.read_text().split()
    return [require_strong("the API", line) for line in lines]


def _authorized(allowed: list[str]) -> Callable[[], None]:
    def check() -> None:
        if request.path in OPEN or request.method == "OPTIONS":  # a browser asks so, without a token, what it may ask
            return
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        known = [hmac.compare_digest(given.strip().encode(), token.encode()) for token in allowed]
        if scheme.lower() != "bearer" or not any(known):
            how = WWWAuthenticate("bearer")
            raise Unauthorized("ask with the header `Authorization: Bearer TOKEN`", www_authenticate=how)

    return check


def _each_once() -> None:
    """Refuses a parameter that is given twice: one of the two would be passed over."""
    twice = [name for name, values in request.args.lists() if len(values) > 1]
    if twice:
        raise BadParameters([Parameter(name=name, detail="it is given more than once") for name in twice])


def _headed(response: Response) -> Response:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    page = response.mimetype == "text/html" or request.path.startswith("/swagger")
    response.headers.setdefault("Content-Security-Policy", PAGE if page else NO_PAGE)
    return response
