"""A server on this machine that answers like the search API of Open Food Facts, with the failures of the real one."""

import gzip
import json
import socket
import struct
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

from app.settings import HOME

SAMPLE = HOME / "datasets/openfoodfacts_products.jsonl"
TOO_MANY = b"<!DOCTYPE html><html><body><h1>TOO MANY REQUESTS</h1></body></html>"
BROKEN = b"<html><body><h1>Software error:</h1></body></html>"

Product = dict[str, Any]


class Request(NamedTuple):
    """A request that came: when, by the monotonic clock, and what it asked for."""

    at: float
    path: str
    query: dict[str, str]
    agent: str

    @property
    def page(self) -> int:
        return int(self.query["page"])


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    api: "OpenFoodFacts"

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        query = {name: values[-1] for name, values in parse_qs(url.query).items()}
        request = Request(time.monotonic(), url.path, query, self.headers["User-Agent"])
        self.api.requests.append(request)
        body = json.dumps(self.api.page(request)).encode()
        failures = self.api.failures[request.page]
        (failures.pop(0) if failures else answer)(self, body)

    def send(self, body: bytes, status: int = 200, kind: str = "text/html", **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


class Server(ThreadingHTTPServer):
    """Says nothing of clients that go away."""

    def handle_error(self, *_: object) -> None: ...


Answer = Callable[[Handler, bytes], None]


def answer(handler: Handler, body: bytes) -> None:
    handler.send(gzip.compress(body), kind="application/json", Content_Encoding="gzip")


def too_many(retry_after: str | None = None) -> Answer:
    headers = {} if retry_after is None else {"Retry_After": retry_after}
    return lambda handler, _: handler.send(TOO_MANY, 429, **headers)


def error(status: int) -> Answer:
    return lambda handler, _: handler.send(BROKEN, status)


def content(body: bytes) -> Answer:
    """An answer with status 200 that is not what it should be."""
    return lambda handler, _: handler.send(body, kind="application/json")


def truncated(handler: Handler, body: bytes) -> None:
    """A whole answer with half of the JSON."""
    content(body[: len(body) // 2])(handler, body)


def cut(handler: Handler, body: bytes) -> None:
    """Half an answer, and the connection is gone."""
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body[: len(body) // 2])
    handler.wfile.flush()
    dropped(handler, body)


def dropped(handler: Handler, _: bytes) -> None:
    """The connection is reset."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.shutdown(socket.SHUT_RDWR)
    handler.close_connection = True


def slow(handler: Handler, body: bytes) -> None:
    """The right answer, half a second late."""
    handler.api.closing.wait(0.5)
    answer(handler, body)


def trickle(handler: Handler, body: bytes) -> None:
    """An answer that goes on and on, a little at a time, until the client has enough of it."""
    handler.send_response(200)
    handler.send_header("Content-Length", str(10**9))
    handler.end_headers()
    handler.close_connection = True
    try:
        while not handler.api.closing.wait(0.01):
            handler.wfile.write(body)
    except OSError:
        pass


class OpenFoodFacts:
    """The API: what it holds, what has been asked, and the answers to give in place of a page, in turn."""

    def __init__(self, products: list[Product]) -> None:
        self.products = sorted(products, key=lambda product: -product["created_t"])
        self.failures: defaultdict[int, list[Answer]] = defaultdict(list)
        self.requests: list[Request] = []
        self.closing = threading.Event()
        self.url = ""

    @property
    def pages(self) -> list[int]:
        """The number of each page that was asked for, in turn."""
        return [request.page for request in self.requests]

    def page(self, request: Request) -> dict[str, Any]:
        number, size = request.page, int(request.query["page_size"])
        skip, fields = (number - 1) * size, request.query["fields"].split(",")
        found = [{name: p[name] for name in fields if name in p} for p in self.products[skip : skip + size]]
        counts = {"count": len(self.products), "page": number, "page_count": len(found), "page_size": size}
        return counts | {"products": found, "skip": skip}


def as_given_by_the_api(line: str) -> Product:
    """A line of the sample as the API gives the same product: nutrients in an object, countries in a list."""
    flat: Product = json.loads(line)
    nutriments = {name: flat.pop(name) for name in list(flat) if name.endswith("_100g")}
    countries = flat.pop("countries_en", "")
    flat |= {"product_name": flat.get("product_name", ""), "brands": flat.get("brands", "")}
    return flat | {"nutriments": nutriments, "countries_tags_en": countries.split(",") if countries else []}


@contextmanager
def open_food_facts(count: int = 1_000) -> Iterator[OpenFoodFacts]:
    """A running API that holds the first `count` products of the sample."""
    api = OpenFoodFacts([as_given_by_the_api(line) for line in SAMPLE.read_text().splitlines()[:count]])
    server = Server(("127.0.0.1", 0), type("Of", (Handler,), {"api": api}))
    api.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield api
    finally:
        api.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()
