"""Every setting is documented, and a value that cannot be meant is refused by name."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from app.settings import HOME, Settings, settings
from cluster.variables import Variables

EXAMPLE = re.compile(r"^# (?P<meaning>.+)\n#(?P<name>[A-Z0-9_]+)=(?P<default>.*)$", re.MULTILINE)
PG_URL = "postgresql://db.example:5432/tidemark"


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No setting is in the environment of these tests, and none that they read stays in the process."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    settings.cache_clear()
    yield
    settings.cache_clear()


def configured(tmp_path: Path, text: str) -> Settings:
    """The settings with this text as the file `.env`."""
    (tmp_path / ".env").write_text(text)
    return Settings(_env_file=tmp_path / ".env")


def default(name: str) -> str:
    """The default of a setting as `.env.example` shows it: the same on every machine."""
    value: Any = Settings.model_fields[name].default
    return "" if value is None else str(value).replace(str(HOME), "<this folder>")


def refusal(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> str:
    """The message that an environment variable with this value is refused with."""
    monkeypatch.setenv(variable, value)
    with pytest.raises(ValidationError) as refused:
        Settings(_env_file=None)
    assert [error["loc"] for error in refused.value.errors()] == [(variable.lower(),)]
    return str(refused.value)


@pytest.mark.parametrize("name", list(Settings.model_fields))
def test_a_setting_has_a_meaning(name: str) -> None:
    assert len(Settings.model_fields[name].description or "") > 10


def test_the_example_file_lists_every_setting_with_its_meaning_and_default() -> None:
    text = (HOME / ".env.example").read_text()
    listed = [(found["name"], found["meaning"], found["default"]) for found in EXAMPLE.finditer(text)]

    assert text.count("=") == len(listed)
    own = [(name.upper(), field.description, default(name)) for name, field in Settings.model_fields.items()]
    fields = Variables.model_fields.items()
    assert listed == own + [(name.upper(), field.description, str(field.default)) for name, field in fields]


def test_the_example_file_sets_nothing(tmp_path: Path) -> None:
    lines = (HOME / ".env.example").read_text().splitlines()

    assert [line for line in lines if line and not line.startswith("#")] == []
    assert configured(tmp_path, "\n".join(lines)) == Settings(_env_file=None)


def test_every_default_is_a_value_that_would_be_accepted() -> None:
    for name, field in Settings.model_fields.items():
        if field.default is not None:
            given: dict[str, Any] = {name: field.default}
            assert getattr(Settings(_env_file=None, **given), name) == field.default


def test_the_defaults_of_the_food_are_those_that_people_know() -> None:
    found = Settings(_env_file=None)
    assert (found.use_api, found.batch_length, found.max_offset) == (False, 100, 3_808_300)


def test_a_variable_of_the_environment_wins_over_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("API_PORT", "5551")

    found = configured(tmp_path, "API_PORT=5552\nDASHBOARD_PORT=8502\n")

    assert (found.api_port, found.dashboard_port, found.keep_versions) == (5551, 8502, 2)


def test_variables_of_other_programs_in_the_file_are_left_alone(tmp_path: Path) -> None:
    assert configured(tmp_path, "COMPOSE_PROJECT_NAME=tidemark\n") == Settings(_env_file=None)


def test_settings_are_read_once() -> None:
    assert settings() is settings()


def test_a_setting_cannot_be_changed_after_it_was_read() -> None:
    with pytest.raises(ValidationError, match=r"(?s)api_port.*frozen"):
        Settings(_env_file=None).api_port = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("variable", "value", "allowed"),
    [
        ("ARCHIVE_INTERVAL", "0", "greater than or equal to 1"),
        ("ARCHIVE_INTERVAL", "3601", "less than or equal to 3600"),
        ("ARCHIVE_INTERVAL", "10s", "valid integer"),
        ("ARCHIVE_INTERVAL", "", "valid integer"),
        ("ARCHIVE_WAIT", "0", "greater than or equal to 1"),
        ("ARCHIVE_WAIT", "86401", "less than or equal to 86400"),
        ("DROPS_WAIT", "0", "greater than or equal to 1"),
        ("DROPS_WAIT", "86401", "less than or equal to 86400"),
        ("KEEP_VERSIONS", "1", "greater than or equal to 2"),
        ("KEEP_VERSIONS", "101", "less than or equal to 100"),
        ("API_PORT", "0", "greater than or equal to 1"),
        ("API_PORT", "65536", "less than or equal to 65535"),
        ("DASHBOARD_PORT", "http", "valid integer"),
        ("DASHBOARD_PORT", "65536", "less than or equal to 65535"),
        ("LAKE_PATH", "data/lake", "file://, hdfs:// or s3a://"),
        ("CHECKPOINT_PATH", "data/checkpoints", "file://, hdfs:// or s3a://"),
        ("HIVE_METASTORE_URI", "127.0.0.1:9083", "expected thrift://HOST:PORT"),
        ("HIVE_METASTORE_URI", "thrift://a:9083,thrift://b:9083", "expected thrift://HOST:PORT"),
        ("HIVE_SERVER_PORT", "0", "greater than or equal to 1"),
        ("HIVE_SERVER_PORT", "65536", "less than or equal to 65535"),
        ("HIVE_USER", "../postgres", "match pattern"),
        ("SPARK_MASTER", "master.example:7077", "match pattern"),
        ("SPARK_DRIVER_HOST", "http://192.0.2.7", "match pattern"),
        ("USE_API", "maybe", "valid boolean"),
        ("BATCH_LENGTH", "0", "greater than or equal to 1"),
        ("BATCH_LENGTH", "101", "less than or equal to 100"),
        ("MAX_OFFSET", "0", "greater than or equal to 1"),
        ("OPENFOODFACTS_URL", "world.openfoodfacts.org", "expected https://HOST"),
        ("OPENFOODFACTS_CONTACT", "someone\nX-Header: 1", "match pattern"),
        ("OPENFOODFACTS_REQUESTS", "0", "greater than or equal to 1"),
    ],
)
def test_a_bad_value_is_refused_with_the_name_and_what_is_allowed(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, allowed: str
) -> None:
    assert allowed in refusal(monkeypatch, variable, value)


@pytest.mark.parametrize(
    "master",
    ["local", "local[2]", "local[*,4]", "spark://a:7077", "spark://a:7077,b:7077", "yarn", "k8s://https://a:6443"],
)
def test_whatever_spark_takes_for_a_master_is_taken(monkeypatch: pytest.MonkeyPatch, master: str) -> None:
    monkeypatch.setenv("SPARK_MASTER", master)

    assert Settings(_env_file=None).spark_master == master


def test_the_file_that_the_documentation_shows_is_one_of_settings(tmp_path: Path) -> None:
    (text,) = re.findall(r"```text\n([A-Z_]+=.*?)```", (HOME / "docs/cluster.md").read_text(), re.DOTALL)
    shown = dict(line.split("=", 1) for line in text.splitlines())
    found = configured(tmp_path, text)

    assert {name: getattr(found, name.lower()) for name in shown} == shown


@pytest.mark.parametrize("url", [PG_URL, f"jdbc:{PG_URL}"])
def test_the_postgres_url_may_be_a_jdbc_url(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("PG_URL", url)

    assert Settings(_env_file=None).pg_url == PG_URL


@pytest.mark.parametrize(
    "url",
    [
        "mysql://db.example:5432/tidemark",
        "postgres://db.example:5432/tidemark",
        "db.example:5432/tidemark",
        "postgresql://",
        "postgresql:///tidemark",
        "postgresql://db.example:5432",
        "postgresql://db.example:port/tidemark",
        "",
    ],
)
def test_what_is_not_a_postgres_url_is_refused_with_the_form_of_one(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    assert "postgresql://HOST:PORT/DATABASE" in refusal(monkeypatch, "PG_URL", url)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://someone:hunter2@db.example:5432/tidemark",
        "jdbc:postgresql://db.example:5432/tidemark?user=someone&password=hunter2",
        "postgresql://db.example:5432/tidemark?password=hunter2",
    ],
)
def test_credentials_in_the_postgres_url_are_refused_and_not_repeated(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    message = refusal(monkeypatch, "PG_URL", url)

    assert "the user and the password are settings of their own" in message
    assert "hunter2" not in message


def test_the_password_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PG_PWD", "hunter2")

    found = Settings(_env_file=None)

    assert "hunter2" not in f"{found!r} {found}"
    assert found.pg_pwd is not None
    assert found.pg_pwd.get_secret_value() == "hunter2"


def test_an_empty_name_of_the_tokens_file_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_TOKENS", "")

    assert Settings(_env_file=None).api_tokens is None
