"""A gap: Kafka has deleted messages before they were read. Nobody goes on over it silently."""

import logging

from app.ledger import Ledger, Offsets
from app.log import Log

logger = logging.getLogger(__name__)


class OffsetGap(Exception):
    """Messages between two offsets are no longer in Kafka."""


class LogShorter(Exception):
    """Kafka's topic ends before what was already read from it: it is not the same topic any more."""


def check_log(ledger: Ledger, layer: str, found: Offsets, topic: Log, accept_loss: bool) -> Offsets:
    """Where `layer` goes on in every partition, given where it stands and what Kafka still has.

    A topic that was never read starts at its earliest offsets; otherwise what is missing must be accepted. Either way it is
    recorded in tidemark.loss.

    Raises:
        OffsetGap: a partition's next offset is no longer in Kafka.
        LogShorter: a partition ends before its next offset.
    """
    pipeline, earliest, end = ledger.pipeline, topic.earliest(), topic.end()
    for partition, offset in found.items():
        if offset > end.get(partition, 0):
            raise LogShorter(
                f"{pipeline.name}: the {layer} layer stands at offset {offset} of topic {topic.topic} partition "
                f"{partition}, Kafka ends at {end.get(partition, 0)}: the topic was made anew or has lost messages. Give "
                "the pipeline a topic of another name, or restore Kafka's data"
            )
    missing = {p: offset for p, offset in earliest.items() if offset > found.get(p, 0)}
    if missing and found and not accept_loss:
        gaps = "; ".join(
            f"topic {topic.topic} partition {p}: expected offset {found.get(p, 0)}, Kafka starts at {offset}"
            for p, offset in sorted(missing.items())
        )
        raise OffsetGap(
            f"gap in the {layer} layer of {pipeline.name}: {gaps}. The messages between are no longer in Kafka; a longer "
            "retention.ms of the topic prevents this. What the master dataset holds of them comes back with the next "
            f"batch; to go on without the rest, start once: spark-submit app/streaming_job.py {pipeline.name} --accept-loss"
        )
    if missing:
        logger.warning("%s: the %s layer goes on at %s; the messages before are lost", pipeline.name, layer, missing)
        ledger.record_loss(layer, {p: (found.get(p, 0), offset) for p, offset in missing.items()})
    return {p: max(found.get(p, 0), offset) for p, offset in earliest.items()}
