"""What a definition needs before it may be registered."""

from dataclasses import replace

import pytest

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
