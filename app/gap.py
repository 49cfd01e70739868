"""A gap: Kafka has deleted messages before they were read. Nobody goes on over it silently."""

import logging

from app import losses
from app.errors import Explained
from app.ledger import Ledger, Offsets
from app.log import Log

logger = logging.getLogger(__name__)
REMEDY = "Restore Kafka's data, or give the pipeline another name, under which it starts anew with what Kafka has now"
REST = "What the master dataset holds of them comes back with the next batch; to go on without the rest"
LOST = (
    "The master dataset is empty, and the pipeline has read the topic before: put the lake back from a copy, or point "
    "LAKE_PATH to where it was; to go on without what is missing"
)


class OffsetGap(Explained):
    """Messages between two offsets are no longer in Kafka."""

    help = "./scripts/accept {pipeline} gap"
    decision = "gap"


class TopicRemade(Explained):
    """Kafka's topic is not the one that was read before: its offsets mean other messages."""

    help = "./scripts/accept {pipeline} topic"
    decision = "topic"


class LogShorter(Explained):
    """Kafka's topic ends before what was already read from it: it has lost messages."""

    help = "./scripts/accept {pipeline} log"
    decision = "log"


def check_log(ledger: Ledger, layer: str, found: Offsets, topic: Log, accept_loss: bool) -> Offsets:
    """Where `layer` goes on in every partition, given where it stands and what Kafka still has.

    A topic that was never read starts at its earliest offsets; otherwise what is missing must be accepted. Either way
    it is recorded in tidemark.loss, and later starts do not miss it. Where the archive has nothing, another layer may
    have read: then the master dataset has been lost. The other layers may begin anew: the next batch brings them what
    the master dataset holds.

    Raises:
        TopicDiffers: the topic is set so that messages could be lost unseen.
        TopicRemade: the topic has another id than the one that the ledger's offsets are of.
        OffsetGap: a partition's next offset is no longer in Kafka.
        LogShorter: a partition ends before its next offset.
    """
    pipeline, earliest, end = ledger.pipeline, topic.earliest(), topic.end()
    topic.require_exact(pipeline.topic)
    refuse_remade(ledger, layer, topic)
    for partition, offset in found.items():
        if offset > end.get(partition, 0):
            raise LogShorter(
                f"{pipeline.name}: the {layer} layer stands at offset {offset} of topic {topic.topic} partition "
                f"{partition}, Kafka ends at {end.get(partition, 0)}: the topic has lost messages. {REMEDY}"
            )
    next_ = losses.passed(found, losses.recorded(ledger, layer))
    missing = {p: offset for p, offset in earliest.items() if offset > next_.get(p, 0)}
    lost = layer == "archive" and not found and _has_counted(ledger)
    if missing and (found or lost) and not accept_loss:
        gaps = "; ".join(
            f"topic {topic.topic} partition {p}: expected offset {next_.get(p, 0)}, Kafka starts at {offset}"
            for p, offset in sorted(missing.items())
        )
        raise OffsetGap(
            f"gap in the {layer} layer of {pipeline.name}: {gaps}. The messages between are no longer in Kafka; a "
            f"longer retention.ms of the topic prevents this. {LOST if lost else REST}: "
            f"{OffsetGap.help.format(pipeline=pipeline.name)}"
        )
    if missing:
        logger.warning("%s: the %s layer goes on at %s; the messages before are lost", pipeline.name, layer, missing)
        losses.record(ledger, layer, {p: (next_.get(p, 0), offset) for p, offset in missing.items()})
    return {p: max(found.get(p, 0), offset) for p, offset in earliest.items()}


def refuse_remade(ledger: Ledger, layer: str, topic: Log) -> None:
    """Raises TopicRemade where the topic has another id than the one that the ledger's offsets are of."""
    id_now = topic.id()
    if (id_before := ledger.topic_id(id_now)) != id_now:
        raise TopicRemade(
            f"{ledger.pipeline.name}: Kafka's topic {topic.topic} has the id {id_now}, and the {layer} layer has read "
            f"the one with the id {id_before}: the topic was deleted and made anew, or the pipeline was given another. "
            f"{REMEDY}"
        )


def _has_counted(ledger: Ledger) -> bool:
    """Whether any definition of the pipeline has read its topic."""
    with ledger.transaction() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM tidemark.ledger WHERE pipeline = %(pipeline)s AND offsets <> '{}')", ledger.key
        )
        return bool(cursor.fetchone()[0])
