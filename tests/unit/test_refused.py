"""What the commands that prepare Kafka and Postgres refuse is one line, and exit code 1."""

import sys
from unittest.mock import MagicMock

import pytest

from app import migrate, topics


def test_a_topic_that_differs_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topics, "create_topic", MagicMock(side_effect=topics.TopicDiffers("declare 2 partitions")))
    monkeypatch.setattr(sys, "argv", ["topics"])
    with pytest.raises(SystemExit, match=r"^Error: declare 2 partitions$"):
        topics.main()


def test_a_name_that_is_taken_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("make_roles", "apply_migrations", "connect"):
        monkeypatch.setattr(migrate, name, MagicMock())
    monkeypatch.setattr(migrate, "register", MagicMock(side_effect=migrate.NameTaken("rename the view")))
    with pytest.raises(SystemExit, match=r"^Error: rename the view$"):
        migrate.main()
