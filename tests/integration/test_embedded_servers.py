"""Kafka and Postgres as child processes: real data, restarts, kills, and errors that say what to do."""

import os
import socket
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import psutil
import psycopg2
import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from app.topics import create_topic
from embedded.kafka import Kafka
from embedded.postgres import Postgres
from embedded.process import ServerError, free_port

pytestmark = pytest.mark.timeout(180)

TOPIC = "readings"
A_YEAR_AGO_MS = int((time.time() - 365 * 86_400) * 1000)


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    with Kafka(tmp_path_factory.mktemp("kafka"), free_port()) as server:
        yield server


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    with Postgres(tmp_path_factory.mktemp("postgres"), free_port()) as server:
        yield server


def produce(kafka: Kafka, topic: str, *values: bytes) -> None:
    with closing(KafkaProducer(bootstrap_servers=kafka.bootstrap_servers, max_request_size=8 << 20)) as producer:
        for value in values:
            producer.send(topic, value, partition=0, timestamp_ms=A_YEAR_AGO_MS).get(timeout=30)


def consume(kafka: Kafka, topic: str) -> list[tuple[bytes, int]]:
    """Value and timestamp of every message in partition 0."""
    partition = TopicPartition(topic, 0)
    consumer = KafkaConsumer(
        bootstrap_servers=kafka.bootstrap_servers, consumer_timeout_ms=30_000, auto_offset_reset="earliest"
    )
    with closing(consumer):
        consumer.assign([partition])
        end = consumer.end_offsets([partition])[partition]
        return [(message.value, message.timestamp) for _, message in zip(range(end), consumer, strict=False)]


def query(postgres: Postgres, statement: str) -> list[tuple[object, ...]]:
    with closing(psycopg2.connect(postgres.url())) as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        rows = cursor.fetchall() if cursor.description else []
        connection.commit()
        return rows


def test_a_message_is_kept_with_the_time_at_which_the_broker_got_it(kafka: Kafka) -> None:
    create_topic(kafka.bootstrap_servers, TOPIC, partitions=3)
    before = int(time.time() * 1000)

    produce(kafka, TOPIC, b"first", b"second")

    messages = consume(kafka, TOPIC)
    assert [value for value, _ in messages] == [b"first", b"second"]
    assert all(before <= timestamp <= time.time() * 1000 for _, timestamp in messages)


def test_a_message_of_seven_megabytes_is_accepted(kafka: Kafka) -> None:
    create_topic(kafka.bootstrap_servers, "large", partitions=1)

    produce(kafka, "large", b"x" * (7 << 20))

    assert [len(value) for value, _ in consume(kafka, "large")] == [7 << 20]


@pytest.mark.parametrize("end", [Kafka.stop, Kafka.kill])
def test_kafka_keeps_its_data_when_it_ends_and_starts_again(tmp_path: Path, end: Callable[[Kafka], None]) -> None:
    kafka = Kafka(tmp_path, free_port() + 1)  # the next free port, if its controller did not know of it
    kafka.start()
    try:
        create_topic(kafka.bootstrap_servers, TOPIC, partitions=1)
        produce(kafka, TOPIC, b"before")
        end(kafka)
        assert not kafka.running

        kafka.start()

        produce(kafka, TOPIC, b"after")
        assert [value for value, _ in consume(kafka, TOPIC)] == [b"before", b"after"]
    finally:
        kafka.stop()


def test_postgres_serves_a_utf8_database_that_sorts_by_code_point(postgres: Postgres) -> None:
    rows = query(
        postgres,
        "SELECT datname, pg_encoding_to_char(encoding), datcollate FROM pg_database WHERE datname = current_database()",
    )
    assert rows == [("tidemark", "UTF8", "C")]
    assert query(postgres, "SHOW fsync") == [("on",)]


def test_postgres_refuses_a_wrong_password_and_none(postgres: Postgres) -> None:
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        psycopg2.connect(postgres.url("postgres", "wrong"))
    with pytest.raises(psycopg2.OperationalError, match="no password supplied"):
        psycopg2.connect(host="127.0.0.1", port=postgres.port, user="postgres", dbname="tidemark")


def test_the_password_is_long_random_and_only_for_its_owner_to_read(postgres: Postgres) -> None:
    assert len(postgres.password_file.read_text().strip()) >= 32
    assert stat.S_IMODE(postgres.password_file.stat().st_mode) == 0o600


@pytest.mark.parametrize("end", [Postgres.stop, Postgres.kill])
def test_postgres_keeps_its_data_when_it_ends_and_starts_again(tmp_path: Path, end: Callable[[Postgres], None]) -> None:
    postgres = Postgres(tmp_path, free_port())
    postgres.start()
    try:
        query(postgres, "CREATE TABLE kept AS SELECT 42 AS answer")
        with closing(psycopg2.connect(postgres.url())):  # a client that stays does not hold up the end
            end(postgres)

        postgres.start()

        assert query(postgres, "SELECT answer FROM kept") == [(42,)]
    finally:
        postgres.stop()


def test_postgres_starts_on_the_lock_of_a_killed_server_whose_process_id_is_in_use(tmp_path: Path) -> None:
    postgres = Postgres(tmp_path, free_port())
    with postgres:
        lock = tmp_path / "cluster" / "postmaster.pid"
        left = lock.read_text().splitlines()
    lock.write_text("\n".join([str(os.getpid()), *left[1:]]) + "\n")

    with postgres:
        assert query(postgres, "SELECT 1") == [(1,)]


def test_a_second_postgres_on_the_same_folder_is_refused(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("embedded.postgres._LEFTOVER_SECONDS", 0.3)

    with pytest.raises(ServerError, match="another Postgres runs on"):
        Postgres(postgres.data_dir, free_port()).start()

    assert query(postgres, "SELECT 1") == [(1,)]


def test_a_password_file_that_is_not_of_this_database_is_named(tmp_path: Path) -> None:
    with Postgres(tmp_path, free_port()):
        pass
    other = tmp_path / "other"
    other.write_text("not-the-one\n")

    with pytest.raises(ServerError, match=rf"the password in {other} is not the one"):
        Postgres(tmp_path, free_port(), password_file=other).start()


def test_a_taken_port_names_who_has_it_and_what_changes_it(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        with pytest.raises(ServerError) as error:
            Kafka(tmp_path, port, port_option="--kafka-port").start()
        with pytest.raises(ServerError, match=f"port {port} for Postgres is not free"):
            Postgres(tmp_path, port).start()

    assert str(error.value) == (
        f"port {port} for Kafka is not free: {psutil.Process().name()} (process {os.getpid()}) listens on it. "
        "Stop what uses it, or choose another port with --kafka-port."
    )
