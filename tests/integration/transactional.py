"""A producer of Kafka transactions."""

import json
from typing import Any

from confluent_kafka import Producer

SECONDS = 30


class Transactions:
    """Transactions over the partitions of one topic. The marker that ends one takes an offset in each of them."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        self._producer = Producer({"bootstrap.servers": bootstrap, "transactional.id": topic})
        self._producer.init_transactions(SECONDS)
        self._topic = topic

    def begin(self, *messages: Any, partition: int = 0) -> None:
        """Leaves a transaction open that the broker has messages of."""
        self._producer.begin_transaction()
        for message in messages:
            value = message if isinstance(message, bytes) else json.dumps(message).encode()
            self._producer.produce(self._topic, value, partition=partition)
        self._producer.flush(SECONDS)

    def commit(self, *messages: Any, partition: int = 0) -> None:
        """Commits what is open, or, given messages, a transaction of them."""
        if messages:
            self.begin(*messages, partition=partition)
        self._producer.commit_transaction(SECONDS)

    def abort(self, *messages: Any, partition: int = 0) -> None:
        """Aborts what is open, or, given messages, a transaction of them."""
        if messages:
            self.begin(*messages, partition=partition)
        self._producer.abort_transaction(SECONDS)
