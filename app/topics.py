"""Makes the topics that the pipelines declare. Safe to run again."""

import logging
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from app.pipelines import select
from app.settings import settings
from embedded.kafka import create_topic

logger = logging.getLogger(__name__)


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    for pipeline in select(sys.argv[1:]):
        create_topic(settings().kafka_bootstrap_servers, pipeline.topic.name, pipeline.topic.partitions)
        logger.info("topic %s: %d partitions", pipeline.topic.name, pipeline.topic.partitions)


if __name__ == "__main__":
    main()
