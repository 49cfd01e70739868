"""The blueprints of the API: endpoints with their description, made in one way."""

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

from flask import current_app, request
from flask_openapi3 import APIBlueprint, Tag
from pydantic import BaseModel, ConfigDict

from backend import problems


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

    @property
    def name(self) -> str:
        """What the description and the metrics call it."""
        return self.path.strip("/").replace("/", ".")


def blueprint(name: str, tag: Tag, *endpoints: Endpoint) -> APIBlueprint:
    """A part of the API, for one application: once it is registered, no endpoint can be added."""
    made = APIBlueprint(name, __name__, abp_tags=[tag], abp_responses=problems.RESPONSES)
    known: dict[str, Endpoint] = {}
    for endpoint in endpoints:
        own = endpoint.name.replace(".", ":")  # Flask takes no dot but its own, after the blueprint's name
        known[f"{name}.{own}"] = endpoint
        described: dict[Any, Any] = {200: endpoint.described}
        made.get(endpoint.path, responses=described, operation_id=endpoint.name, endpoint=own)(_view(endpoint))
    made.record(lambda state: state.app.extensions.setdefault("endpoints", {}).update(known))
    return made


def called() -> str:
    """What the metrics call the endpoint that is asked: as the description does, where that has it."""
    known: dict[str | None, Endpoint] = current_app.extensions["endpoints"]
    return known[request.endpoint].name if request.endpoint in known else request.endpoint or "none"


def _view(endpoint: Endpoint) -> Callable[..., Any]:
    def view(query: BaseModel) -> Any:
        return endpoint.answer() if endpoint.asked is Nothing else endpoint.answer(query)

    if not hasattr(endpoint.asked.model_json_schema, "cache_info"):
        # The library would make the schema anew for each request.
        setattr(endpoint.asked, "model_json_schema", cache(endpoint.asked.model_json_schema))  # noqa: B010
    view.__annotations__["query"] = endpoint.asked
    view.__doc__ = endpoint.answer.__doc__
    return view
