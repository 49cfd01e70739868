"""Answers of rows: JSON or CSV, sent while they are read, and not sent where the reader has them already."""

import csv
import hashlib
import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import islice
from typing import Any, Literal
from urllib.parse import urlencode

from flask import Response, json, request
from flask.json.provider import DefaultJSONProvider
from werkzeug.exceptions import NotAcceptable

Stand = Mapping[str, Any]  # where a pipeline stands: the fields of `backend.status.Status`
Form = Literal["application/json", "text/csv"]
FORMS: tuple[Form, ...] = ("application/json", "text/csv")
CHUNK = 1_000  # rows that are sent at once
META = "Tidemark-Meta"
NEXT = "Link"


class ExactJson(DefaultJSONProvider):
    """JSON with decimals as strings, moments as ISO 8601 in UTC, and columns in their order."""

    sort_keys = False

    @staticmethod
    def default(o: Any) -> Any:
        match o:
            case Decimal():
                return format(o, "f")
            case datetime():
                return o.astimezone(UTC).isoformat().replace("+00:00", "Z")
            case date():
                return o.isoformat()
            case _:
                return DefaultJSONProvider.default(o)


def form() -> Form:
    """What the reader accepts; JSON where both are welcome.

    Raises:
        NotAcceptable: neither is.
    """
    best = request.accept_mimetypes.best_match(FORMS) if request.accept_mimetypes else FORMS[0]
    if best is None:
        raise NotAcceptable(f"the answer is {' or '.join(FORMS)}; ask for one of them in the header Accept")
    return "text/csv" if best == "text/csv" else "application/json"


def tag(stands: Iterable[Stand], sent: Form) -> str:
    """What changes when an answer to the same question does: boundary, standing against the targets, failures."""
    names = ("fingerprint", "version", "cut", "offsets", "freshness", "batch_late")
    of = [
        [*(stand[name] for name in names), [one | {"seconds": None} for one in stand["failures"]]] for stand in stands
    ]
    return hashlib.sha256(json.dumps([sent, of]).encode()).hexdigest()[:32]


def conditional() -> bool:
    """Whether the reader holds an answer, and asks for another only if that no longer holds."""
    return bool(request.if_none_match)


def whole(body: Any) -> Response:
    """An answer that is sent at once."""
    return Response(json.dumps(body), mimetype="application/json")


def held(sent: Form, *stands: Stand) -> Response | None:
    """The answer where the reader holds what would be answered, None where it does not."""
    etag = tag(stands, sent)
    if not request.if_none_match.contains_weak(etag):
        return None
    return _described(Response(status=304), etag)


def made(body: str | Iterator[str], sent: Form, headers: Mapping[str, str], *stands: Stand) -> Response:
    """An answer as of where the pipelines stand, sent at once or as its parts are made."""
    return _described(Response(body, mimetype=sent, headers=dict(headers)), tag(stands, sent))


def listed(meta: Any, rows: list[dict[str, Any]], *stands: Stand) -> Response:
    """Rows as of where the pipelines stand, in JSON, sent at once."""
    return made(json.dumps({"meta": meta, "rows": rows}), "application/json", {}, *stands)


def beside(meta: str, following: str | None) -> dict[str, str]:
    """The headers in which an answer in CSV has its meta, and where the page that follows is."""
    if following is None:
        return {META: meta}
    return {META: meta, NEXT: f'<?{urlencode(request.args.to_dict() | {"after": following})}>; rel="next"'}


def as_json(
    meta: str, rows: Iterator[str], limit: int, following: Callable[[Mapping[str, Any]], str | None]
) -> Iterator[str]:
    """`{"meta": …, "rows": […], "next": …}` of rows in JSON; a row more than `limit` says that there are more."""
    yield f'{{"meta":{meta},"rows":['
    last, sent = "", 0
    while chunk := list(islice(rows, min(CHUNK, limit - sent))):
        yield ("," if sent else "") + ",\n".join(chunk)
        last, sent = chunk[-1], sent + len(chunk)
    more = next(rows, None) is not None
    yield f'],"next":{json.dumps(following(json.loads(last)) if more else None)}}}\n'


def as_csv(columns: Iterable[str], rows: Iterator[Iterable[Any]]) -> Iterator[str]:
    """A line of names, and one a row; null is empty."""
    yield _lines([columns])
    while chunk := list(islice(rows, CHUNK)):
        yield _lines(chunk)


def _lines(rows: Iterable[Iterable[Any]]) -> str:
    written = io.StringIO()
    csv.writer(written, lineterminator="\r\n").writerows(rows)
    return written.getvalue()


def _described(response: Response, etag: str) -> Response:
    response.set_etag(etag, weak=True)
    response.headers["Cache-Control"] = "no-cache"  # keep it, and ask whether it still holds
    response.vary.add("Accept")
    return response
