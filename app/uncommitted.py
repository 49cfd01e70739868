"""Transactions that are open: what follows them in their partitions is not counted, so that the count is not fresh."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from kafka.errors import KafkaError

from app.ledger import Ledger
from app.log import log
from app.settings import Settings

logger = logging.getLogger(__name__)


@contextmanager
def uncommitted(ledger: Ledger, settings: Settings) -> Iterator[Callable[[], None]]:
    """Gives what looks for them and notes them in the ledger. Its connections to Kafka last as long as the block."""
    with log(settings.kafka_bootstrap_servers, ledger.pipeline.topic.name) as topic:

        def look() -> None:
            try:
                found = topic.uncommitted()
            except (KafkaError, TimeoutError) as error:  # the query of the topic says whether that is a reason to end
                logger.warning("%s: cannot tell whether a transaction is open: %s", topic.topic, error)
                return
            ledger.note_open(found)

        yield look
