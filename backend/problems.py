"""Errors as application/problem+json (RFC 9457): never an empty answer, never a short one."""

import logging
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import psycopg2.errors
from flask import Flask, Response, current_app, request
from pydantic import BaseModel, ValidationError
from pyhive.exc import OperationalError as Refused
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from thrift.transport.TTransport import TTransportException
from werkzeug.exceptions import BadRequest, HTTPException, InternalServerError, ServiceUnavailable

from app.postgres import WeakPassword

logger = logging.getLogger(__name__)
RETRY_AFTER = 5  # seconds
SHOWN = 100  # characters of a value that is refused


def unavailable(detail: str) -> ServiceUnavailable:
    """503: it will be answered when what the detail names has been done."""
    return ServiceUnavailable(detail, retry_after=RETRY_AFTER)


class Parameter(BaseModel):
    """What is wrong with one parameter."""

    name: str
    detail: str
    given: str | None = None


class Problem(BaseModel):
    """An error as RFC 9457 describes it; `parameters` where it is what was asked that is wrong."""

    type: str
    title: str
    status: int
    detail: str
    parameters: list[Parameter] = []


KIND = "application/problem+json"
SCHEMA = {"$ref": "#/components/schemas/Problem"}
# What any endpoint may answer.
RESPONSES: dict[str | int | HTTPStatus, type[BaseModel] | dict[Any, Any] | None] = {
    str(status.value): {"description": status.phrase, "content": {KIND: {"schema": SCHEMA}}}
    for status in (
        HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.NOT_FOUND, HTTPStatus.NOT_ACCEPTABLE,
        HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE,
    )
}  # fmt: skip


class BadParameters(BadRequest):
    """Parameters that are not what was expected; the description says what of each."""

    def __init__(self, wrong: list[Parameter]) -> None:
        super().__init__("; ".join(f"{one.name}: {one.detail}" for one in wrong))
        self.wrong = wrong


def refused(error: ValidationError) -> Response:
    """The answer to parameters that are not as declared."""
    asked = current_app.extensions["endpoints"][request.endpoint].asked.model_fields
    allowed = ", ".join(field.alias or name for name, field in asked.items()) or "none"
    wrong = []
    for one in error.errors(include_url=False):
        if one["type"] == "none_required":
            continue  # what a parameter that is not given would be
        name = str(one["loc"][0]) if one["loc"] else "the parameters"
        unknown = one["type"] == "extra_forbidden"
        detail = f"there is no such parameter; allowed: {allowed}" if unknown else str(one["msg"])
        wrong.append(Parameter(name=name, detail=detail, given=None if unknown else str(one["input"])[:SHOWN]))
    return _problem(BadParameters(wrong))


def init_app(app: Flask) -> None:
    app.register_error_handler(HTTPException, _problem)
    app.register_error_handler(DBAPIError, _database_problem)
    app.register_error_handler(PoolTimeout, _busy)
    app.register_error_handler(TTransportException, _no_lake)
    app.register_error_handler(Refused, _lake_problem)
    app.register_error_handler(FileNotFoundError, _no_password)
    app.register_error_handler(WeakPassword, _weak_password)


def _problem(error: HTTPException) -> Response:
    """The answer to an error, with the headers that belong to it."""
    response = Response(mimetype=KIND)
    for name, value in error.get_headers():
        if name != "Content-Type":
            response.headers[name] = value
    response.status_code = error.code or HTTPStatus.INTERNAL_SERVER_ERROR
    title = HTTPStatus(response.status_code).phrase
    problem = Problem(
        type="about:blank", title=title, status=response.status_code, detail=error.description or title,
        parameters=error.wrong if isinstance(error, BadParameters) else [],
    )  # fmt: skip
    response.data = problem.model_dump_json(exclude_defaults=True)
    return response


def _database_problem(error: DBAPIError) -> Response:
    return _problem(of_database(error))


def of_database(error: DBAPIError) -> HTTPException:
    """The answer to an error of Postgres, which the log has whole."""
    logger.error("%s", error.orig)
    match error.orig:
        case psycopg2.errors.QueryCanceled():
            detail = "Postgres took longer than the API's role may wait; ask for fewer rows, or look at its load"
        case psycopg2.errors.RaiseException() as refused:
            hint = refused.diag.message_hint
            detail = f"{refused.diag.message_primary}; {hint}" if hint else str(refused.diag.message_primary)
        case psycopg2.errors.UndefinedTable():
            detail = "the published definition has no such view; run ./scripts/migrate and the batch job with --full"
        case psycopg2.OperationalError() | psycopg2.InterfaceError():
            detail = "Postgres does not answer; start it, then ask again"
        case _:
            return InternalServerError("the API could not read the view; its log has the error of Postgres")
    return unavailable(detail)


def _busy(error: PoolTimeout) -> Response:
    logger.error("%s", error)
    return _problem(unavailable("all connections to Postgres are in use; ask again"))


def login_refused(error: TTransportException) -> bool:
    """Whether HiveServer2 answers, and refuses the password."""
    return "validating the login" in str(error)


def _no_lake(error: TTransportException) -> Response:
    logger.error("HiveServer2: %s", error)
    if login_refused(error):
        return _problem(
            unavailable("HiveServer2 refuses the API's password; give both the same SECRETS_PATH and HIVE_USER")
        )
    since = current_app.extensions["lake"].silent_since or datetime.now(UTC)  # another may have had an answer meanwhile
    silent = f"has not answered since {since:%Y-%m-%dT%H:%M:%SZ}"
    if error.type == TTransportException.TIMED_OUT:
        detail = f"HiveServer2 took longer than the API waits, and {silent}; ask for fewer rows, or look at its load"
    else:
        detail = f"HiveServer2 {silent}; start it with ./scripts/submit sql, then ask again"
    return _problem(unavailable(detail))


def _lake_problem(error: Refused) -> Response:
    said = getattr(getattr(error.args[0], "status", None), "errorMessage", None) or str(error)
    logger.error("HiveServer2: %s", said)
    if "TABLE_OR_VIEW_NOT_FOUND" in said or "SCHEMA_NOT_FOUND" in said:
        return _problem(unavailable("the lake has no such table yet; the streaming and the batch job make them"))
    return _problem(InternalServerError("the API could not read the lake; its log has the error of HiveServer2"))


def _no_password(error: FileNotFoundError) -> Response:
    logger.error("%s", error)
    return _problem(unavailable("the API lacks a password; run ./scripts/migrate, the API's log names the file"))


def _weak_password(error: WeakPassword) -> Response:
    logger.error("%s", error)
    return _problem(unavailable("the API does not use a password that anyone could guess; its log names whose it is"))
