"""Every setting: its name, default, meaning and validation, in this one place.

The name of the environment variable is the field's in capitals. A file `.env` beside the README is read too; the
environment wins. `.env.example` lists the same.
"""

import re
from functools import lru_cache
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

HOME = Path(__file__).resolve().parents[1]


def _postgres_url(url: str) -> str:
    url = url.removeprefix("jdbc:")
    if not re.fullmatch(r"postgresql://[^\s/@:?]+:\d+/[^\s/@?&]+", url):
        raise ValueError(
            "expected postgresql://HOST:PORT/DATABASE; the user and the password are settings of their own"
        )
    return url


def _lake_uri(uri: str) -> str:
    if not uri.startswith(("file://", "hdfs://", "s3a://")):
        raise ValueError(f"{uri!r} is not a URI that starts with file://, hdfs:// or s3a://")
    return uri


def _thrift_uri(uri: str) -> str:
    if not re.fullmatch(r"thrift://[^\s/@:?]+:\d{1,5}", uri):
        raise ValueError("expected thrift://HOST:PORT")
    return uri


def _http_url(url: str) -> str:
    if not re.fullmatch(r"https?://[^\s/]+(/\S*)?", url):
        raise ValueError("expected https://HOST, or http://HOST:PORT")
    return url.rstrip("/")


class Settings(BaseSettings):
    """The settings of one process."""

    model_config = SettingsConfigDict(env_file=HOME / ".env", extra="ignore", frozen=True, hide_input_in_errors=True)

    kafka_bootstrap_servers: str = Field("127.0.0.1:9092", description="Kafka brokers, HOST:PORT separated by commas")
    pg_url: Annotated[str, AfterValidator(_postgres_url)] = Field(
        "postgresql://127.0.0.1:5433/tidemark",
        description="Postgres, as postgresql://HOST:PORT/DATABASE (jdbc: allowed)",
    )
    pg_user: str | None = Field(
        None, description="Postgres user; default: the role of the process, e.g. tidemark_speed"
    )
    pg_pwd: SecretStr | None = Field(None, description="Password of PG_USER; default: the file SECRETS_PATH/<user>")
    pg_admin: str = Field(
        "postgres", description="Postgres administrator; only ./scripts/migrate connects as this user"
    )
    secrets_path: Path = Field(HOME / "data/secrets", description="Folder with one file of mode 0600 for each password")
    lake_path: Annotated[str, AfterValidator(_lake_uri)] = Field(
        f"file://{HOME}/data/lake", description="URI of the lake: file://, hdfs:// or s3a://"
    )
    checkpoint_path: Annotated[str, AfterValidator(_lake_uri)] = Field(
        f"file://{HOME}/data/checkpoints", description="URI of the streams' checkpoints; a cache, safe to delete"
    )
    drops_path: Path = Field(
        HOME / "data/drops",
        description="Folder of the streaming job's machine with a folder of dropped files a pipeline",
    )
    drops_wait: int = Field(
        600,
        ge=1,
        le=86400,
        description="Seconds without a change after which a dropped file that is not whole or may be a copy is taken",
    )
    archive_interval: int = Field(
        10, ge=1, le=3600, description="Seconds between two appends to the master dataset, and to Parquet tables"
    )
    speed_interval: int = Field(
        0, ge=0, le=3600, description="Seconds between two micro-batches of the speed layer; 0: each follows at once"
    )
    archive_wait: int = Field(
        180, ge=1, le=86400, description="Seconds a batch or a verification waits for the master dataset to reach a cut"
    )
    keep_versions: int = Field(
        2, ge=2, le=100, description="Published versions kept for a rollback, the current included"
    )
    side_by_side: int = Field(
        2,
        ge=1,
        le=64,
        description="Pipelines of a batch or a verification, or views of a serving job, worked on side by side",
    )
    spark_master: str = Field(
        "local[*]",
        pattern=r"^(local(\[[\d*,]+\])?|yarn|(spark|k8s)://\S+)$",
        description="Master of the jobs of ./scripts/submit: local[*], spark://HOST:PORT, yarn or k8s://URL",
    )
    spark_driver_host: str = Field(
        "127.0.0.1",
        pattern=r"^[\w.-]+$",
        description="Address of this machine where executors reach a job of ./scripts/submit; it listens there",
    )
    hive_metastore_uri: Annotated[str, AfterValidator(_thrift_uri)] = Field(
        "thrift://127.0.0.1:9083", description="Where the Hive metastore listens, as thrift://HOST:PORT"
    )
    hive_server_host: str = Field("127.0.0.1", description="Host of HiveServer2: it listens there, and is asked there")
    hive_server_port: int = Field(10000, ge=1, le=65535, description="Port of HiveServer2")
    hive_user: str = Field(
        "tidemark_sql",
        pattern=r"^[a-z][a-z0-9_]*$",
        description="User of HiveServer2 (the cluster's: tidemark_sql); its password is the file SECRETS_PATH/<user>",
    )
    use_api: bool = Field(
        False, description="Whether food comes from the Open Food Facts API; else from the bundled sample"
    )
    batch_length: int = Field(
        100, ge=1, le=100, description="Products a page of the Open Food Facts API, which gives at most 100"
    )
    max_offset: int = Field(3_808_300, ge=1, description="Products to read from the Open Food Facts API at most")
    openfoodfacts_url: Annotated[str, AfterValidator(_http_url)] = Field(
        "https://world.openfoodfacts.org", description="Where the Open Food Facts API is, or a mirror of it"
    )
    openfoodfacts_contact: str = Field(
        "",
        pattern=r"^[!-~]*$",
        description="Your e-mail address or URL, which Open Food Facts asks every program to name in its requests",
    )
    openfoodfacts_requests: int = Field(
        10, ge=1, description="Requests a minute to the Open Food Facts API, which allows 10 searches"
    )
    openfoodfacts_position: Path = Field(
        HOME / "data/positions/openfoodfacts.json",
        description="File that says where to go on reading; delete it to start anew",
    )
    api_host: str = Field("127.0.0.1", description="Address the API listens on")
    api_port: int = Field(5550, ge=1, le=65535, description="Port of the API")
    api_rate_limit: int = Field(
        1200,
        ge=0,
        le=10_000_000,
        description="Requests a minute to one endpoint that the API takes from one address; 0: any number",
    )
    # Empty as it stands in .env.example, and as compose gives what is not set, it names no file.
    api_tokens: Annotated[Path | None, BeforeValidator(lambda path: path or None)] = Field(
        None, description="File with a bearer token a line that the API then asks for; the dashboard sends the first"
    )
    api_cors_origins: str = Field(
        "",
        pattern=r"^(https?://[^\s,/]+(,https?://[^\s,/]+)*)?$",
        description="Other sites whose pages may read the API, as https://HOST separated by commas; empty: none",
    )
    dashboard_port: int = Field(8501, ge=1, le=65535, description="Port of the dashboard")


@lru_cache(maxsize=1)
def settings() -> Settings:
    """The settings of this process, read once.

    Raises:
        pydantic.ValidationError: a variable has a value that is not allowed; the message names both.
    """
    return Settings()
