"""Events per CPU-second of catching up on a topic, in one Spark application, round by round, once it is warm.

spark-submit bench/catching_up.py TOPIC EVENTS ROUNDS WARM_UP    prints JSON: {name: [events per CPU-second, …]}
"""

import json
import sys
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

from app.ledger import Ledger
from app.model import Pipeline
from app.pipelines.transactions import PIPELINE
from app.postgres import Role, connect
from app.session import session
from app.settings import settings
from app.speed import Speed
from bench import BY_HAND, PLAIN, PLAIN_FIRSTS, TIDEMARK, TIDEMARK_FIRSTS, baselines, consumer
from bench.processor import processor_seconds
from bench.speed_layer import registered, to_the_end


def main() -> None:
    topic, (events, rounds, warm_up) = sys.argv[1], map(int, sys.argv[2:])
    at = settings()
    servers = at.kafka_bootstrap_servers
    spark = session(at, "bench", streaming=True)

    def tidemark(pipeline: Pipeline) -> None:
        with closing(connect(at, Role.SPEED)) as connection:
            to_the_end(Speed(spark, Ledger(connection, pipeline), at))

    def by_hand() -> None:
        with closing(connect(at, at.pg_admin)) as connection:  # no role of ours may make a temporary table
            consumer.catch_up(servers, topic, events, connection)

    found: dict[str, list[float]] = {}
    for number in range(warm_up + rounds):
        checkpoint, own = f"{at.checkpoint_path}/plain-{number}", f"own_{number}"
        work: dict[str, Callable[[], None]] = {
            PLAIN: partial(baselines.catch_up, spark, servers, topic),
            TIDEMARK: partial(tidemark, registered(at, own, topic, None)),
            PLAIN_FIRSTS: partial(baselines.catch_up_without_duplicates, spark, servers, topic, checkpoint),
            TIDEMARK_FIRSTS: partial(tidemark, registered(at, f"{own}_firsts", topic, PIPELINE.dedup)),
            BY_HAND: by_hand,
        }
        for name, one in work.items():
            measured = events / processor_seconds(spark, one)
            print(f"round {number}: {name}: {measured:,.0f} events per CPU-second", file=sys.stderr, flush=True)
            if number >= warm_up:
                found.setdefault(name, []).append(measured)
    print(json.dumps(found))
    spark.stop()


if __name__ == "__main__":
    main()
