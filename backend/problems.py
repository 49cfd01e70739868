"""Errors as application/problem+json (RFC 9457): never an empty answer, never a short one."""

import logging
from http import HTTPStatus

import psycopg2.errors
from flask import Flask, Response, json
from pyhive.exc import OperationalError as Refused
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from thrift.transport.TTransport import TTransportException
from werkzeug.exceptions import HTTPException, InternalServerError, ServiceUnavailable

from app.postgres import WeakPassword

logger = logging.getLogger(__name__)
RETRY_AFTER = 5  # seconds


def unavailable(detail: str) -> ServiceUnavailable:
    """503: it will be answered when what the detail names has been done."""
    return ServiceUnavailable(detail, retry_after=RETRY_AFTER)


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
    response = Response(mimetype="application/problem+json")
    for name, value in error.get_headers():
        if name != "Content-Type":
            response.headers[name] = value
    response.status_code = error.code or HTTPStatus.INTERNAL_SERVER_ERROR
    title = HTTPStatus(response.status_code).phrase
    body = {"type": "about:blank", "title": title, "status": response.status_code, "detail": error.description}
    response.data = json.dumps(body)
    return response


def _database_problem(error: DBAPIError) -> Response:
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
            return _problem(InternalServerError("the API could not read the view; its log has the error of Postgres"))
    return _problem(unavailable(detail))


def _busy(error: PoolTimeout) -> Response:
    logger.error("%s", error)
    return _problem(unavailable("all connections to Postgres are in use; ask again"))


def _no_lake(error: TTransportException) -> Response:
    logger.error("HiveServer2: %s", error)
    if error.type == TTransportException.TIMED_OUT:
        detail = "HiveServer2 took longer than the API waits; ask for fewer rows, or look at its load"
    elif "validating the login" in str(error):
        detail = "HiveServer2 refuses the API's password; give both the same SECRETS_PATH and HIVE_USER"
    else:
        detail = "HiveServer2 does not answer; start it with ./scripts/submit sql, then ask again"
    return _problem(unavailable(detail))


def _lake_problem(error: Refused) -> Response:
    said = getattr(getattr(error.args[0], "status", None), "errorMessage", None) or str(error)
    logger.error("HiveServer2: %s", said)
    if "TABLE_OR_VIEW_NOT_FOUND" in said or "SCHEMA_NOT_FOUND" in said:
        return _problem(unavailable("the lake has no such table yet; the first run of the batch job makes it"))
    return _problem(InternalServerError("the API could not read the lake; its log has the error of HiveServer2"))


def _no_password(error: FileNotFoundError) -> Response:
    logger.error("%s", error)
    return _problem(unavailable("the API lacks a password; run ./scripts/migrate, the API's log names the file"))


def _weak_password(error: WeakPassword) -> Response:
    logger.error("%s", error)
    return _problem(unavailable("the API does not use a password that anyone could guess; its log names whose it is"))
