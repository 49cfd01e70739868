"""What a definition needs before it may be registered."""

from dataclasses import replace

import pytest

from app import migrate
from app.migrate import NameTaken
from tests.integration.boundary import NewBoundary


def test_two_pipelines_cannot_have_merged_views_of_one_name(new_boundary: NewBoundary) -> None:
    first = new_boundary()
    (view, *_), name = first.pipeline.views, first.pipeline.name
    first.define(views=(replace(view, name="b_c"),))
    said = f"{name}_b: its view c would be serving.{name}_b_c, which the pipeline {name} has; rename the view or"
    with pytest.raises(NameTaken, match=said):
        first.define(name=f"{name}_b", views=(replace(view, name="c"),))
    assert first.owned(f"SELECT FROM tidemark.generation WHERE pipeline = '{name}_b'") == []
    first.define(name=f"{name}_b", views=(replace(view, name="d"),))


def test_the_name_of_a_view_whose_pipeline_has_no_file_can_be_freed_as_the_error_says(
    new_boundary: NewBoundary, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = new_boundary()
    (view, *_), name = first.pipeline.views, first.pipeline.name
    other = {"name": f"{name}_clients", "views": (replace(view, name="x"),)}
    taken = first.define(views=(replace(view, name="clients_x"),))
    said = rf"rename the view or the pipeline\. {name} has no file .* put app/pipelines/{name}.py back with that view"
    with pytest.raises(NameTaken, match=said):
        first.define(**other)
    monkeypatch.setattr(migrate, "names", lambda: [name])
    with pytest.raises(NameTaken, match=r"rename the view or the pipeline$"):
        first.define(**other)

    renamed = taken.define(views=(replace(view, name="y"),))
    renamed.publish(1, renamed.batch.cut(), [])

    first.define(**other)
