"""What a plain consumer still gets from Kafka, and the master dataset lacks.

The consumer shares nothing with the source that Spark reads the topic with. A million messages of 140 bytes,
uncompressed, took it 5.5 CPU-seconds; comparing them takes less.
"""

import numpy as np
import pyarrow as pa
from pyspark.sql import functions as F

from app.findings import SHOWN
from app.gap import refuse_remade
from app.lake import Lake, between
from app.ledger import Ledger
from app.log import log
from app.master import Noted
from app.settings import Settings

MESSAGES = 1_000_000  # that are compared at once
ORDER = [("partition", "ascending"), ("offset", "ascending")]


def lacking(lake: Lake, ledger: Ledger, settings: Settings, noted: Noted) -> tuple[int, list[str]]:
    """How many messages below where the master dataset ends it lacks, and some of these, by partition and offset.

    What Kafka deletes meanwhile takes no part.

    Raises:
        TopicRemade: Kafka's topic is not the one that was read.
        TimeoutError: Kafka has more, and does not give it.
        kafka.errors.KafkaError: Kafka does not answer.
    """
    number, named = 0, list[str]()
    with log(settings.kafka_bootstrap_servers, lake.pipeline.topic.name) as topic:
        refuse_remade(ledger, "archive", topic)
        for part in topic.committed_below(noted.note.cut, MESSAGES):
            of = np.concatenate([np.full(len(offsets), p, np.int32) for p, offsets in part.items()])
            given = pa.table({"partition": of, "offset": np.concatenate([*map(np.asarray, part.values())])})
            near = between({p: of[0] for p, of in part.items()}, {p: of[-1] + 1 for p, of in part.items()})
            rows = lake.bronze(noted.newest.version if noted.newest else None).filter(near)
            # Only those that are asked for leave Spark: where Kafka compacts, it has far fewer than there are.
            asked = F.broadcast(lake.spark.createDataFrame(given))
            held = rows.select(*given.column_names).join(asked, given.column_names, "left_semi").toArrow()
            missing = given.join(held, given.column_names, join_type="left anti").sort_by(ORDER)
            number += len(missing)
            named += [
                f"partition {p}, offset {o}, which Kafka has" for p, o in zip(*missing[:SHOWN].columns, strict=True)
            ]
    return number, named[:SHOWN]
