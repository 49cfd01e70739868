"""Adding endpoints to the API and to its description, in one way."""

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

from flask_openapi3 import OpenAPI, Tag
from pydantic import BaseModel, ConfigDict


class Nothing(BaseModel):
    """No parameters: any is refused."""

    model_config = ConfigDict(extra="forbid")


class Endpoint(NamedTuple):
    """GET `path` is answered by `answer`, which is given the parameters where any are `asked`.

    `described` is the model of the answer, or a response of OpenAPI.
    """

    path: str
    answer: Callable[..., Any]
    described: type[BaseModel] | dict[str, Any]
    asked: type[BaseModel] = Nothing


def add(app: OpenAPI, tag: Tag, *endpoints: Endpoint) -> None:
    for endpoint in endpoints:
        name = endpoint.path.strip("/").replace("/", ".")
        app.extensions.setdefault("parameters", {})[name] = list(endpoint.asked.model_fields)
        described: dict[Any, Any] = {200: endpoint.described}
        app.get(endpoint.path, tags=[tag], responses=described, operation_id=name, endpoint=name)(_view(endpoint))


def _view(endpoint: Endpoint) -> Callable[..., Any]:
    def view(query: BaseModel) -> Any:
        return endpoint.answer() if endpoint.asked is Nothing else endpoint.answer(query)

    if not hasattr(endpoint.asked.model_json_schema, "cache_info"):
        # The library would make the schema anew for each request.
        setattr(endpoint.asked, "model_json_schema", cache(endpoint.asked.model_json_schema))  # noqa: B010
    view.__annotations__["query"] = endpoint.asked
    view.__doc__ = endpoint.answer.__doc__
    return view
