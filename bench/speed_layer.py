"""The speed layer of transactions over a topic, as the measurements run it."""

from contextlib import closing
from dataclasses import replace

from app.archive import Archive
from app.migrate import register
from app.model import Dedup, Pipeline
from app.pipelines.transactions import PIPELINE
from app.postgres import Role, connect
from app.settings import Settings
from app.speed import Speed


def registered(at: Settings, name: str, topic: str, dedup: Dedup | None) -> Pipeline:
    """Transactions under another name and on another topic, known to Postgres, with nothing counted."""
    pipeline = replace(PIPELINE, name=name, topic=replace(PIPELINE.topic, name=topic), history=(), dedup=dedup)
    with closing(connect(at, Role.MIGRATE)) as connection:
        register(connection, pipeline)
    return pipeline


def to_the_end(layer: Speed | Archive) -> None:
    """Let a layer take all that stands on its topic, and stop it."""
    query = layer.start(accept_loss=False)
    query.processAllAvailable()
    query.stop()
