"""What the commands that prepare Kafka and Postgres refuse is one line, and exit code 1."""

import sys
from types import ModuleType
from unittest.mock import MagicMock

import pytest

from app import migrate, topics
from app.pipelines import WrongDefinition, select
from app.topic_rules import TopicDiffers


def test_a_topic_that_differs_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topics, "create_topic", MagicMock(side_effect=TopicDiffers("declare 2 partitions")))
    monkeypatch.setattr(sys, "argv", ["topics"])
    with pytest.raises(SystemExit, match=r"^Error: declare 2 partitions$"):
        topics.main()


def test_a_name_that_is_taken_is_one_line_and_the_others_are_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("make_roles", "apply_migrations", "connect"):
        monkeypatch.setattr(migrate, name, MagicMock())
    first, *others = select([])
    register = MagicMock(side_effect=[migrate.NameTaken("rename the view"), *(True for _ in others)])
    monkeypatch.setattr(migrate, "register", register)
    with pytest.raises(SystemExit, match=r"^Error: rename the view$"):
        migrate.main()
    assert [call.args[1] for call in register.mock_calls] == [first, *others]


@pytest.mark.parametrize("command", [migrate, topics])
def test_a_definition_that_is_wrong_is_one_line_and_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, command: ModuleType
) -> None:
    monkeypatch.setattr(command, "settings", MagicMock(side_effect=AssertionError))
    monkeypatch.setattr(command, "select", MagicMock(side_effect=WrongDefinition("app/pipelines/a.py: b")))
    monkeypatch.setattr(sys, "argv", ["topics"])
    with pytest.raises(SystemExit, match=r"^Error: app/pipelines/a\.py: b$"):
        command.main()
