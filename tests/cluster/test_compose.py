"""What docker-compose.yml promises of every service, held for each; a service that is added without it fails here."""

import json
import re
import subprocess
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from app.settings import HOME, Settings
from cluster.passwords import VOLUMES
from cluster.variables import Variables
from tests.cluster.conftest import PROFILES

Service = dict[str, Any]
NETWORKS = {"edge", "app", "data"}
# Services that must be reached or must reach the world, and by what.
EDGE_WITHOUT_PORTS = {"producers": "it asks the Open Food Facts API, if that is asked for"}
ONCE = {"passwords", "migrate", "topics", "folders", "spark-submit"}
SECRET = re.compile(r"PASS|PWD|SECRET|TOKEN|KEY", re.IGNORECASE)
NOT_A_SECRET = {"SECRETS_PATH", "API_TOKENS"}  # where they are
VARIABLE = re.compile(r"\$\{(?P<name>[A-Z_]+)(?::-(?P<default>[^}]*))?\}")


def config(folder: Path, text: str | None = None) -> dict[str, Any]:
    """The compose file as docker compose understands it, with nothing set in the environment."""
    file = folder / "docker-compose.yml"
    file.write_text((HOME / "docker-compose.yml").read_text() if text is None else text)
    command = ["docker", "compose", "--project-directory", str(folder), "--file", str(file), *PROFILES]
    done = subprocess.run(
        [*command, "config", "--format", "json"], capture_output=True, text=True, timeout=60, check=False,
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(folder)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def compose(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return config(tmp_path_factory.mktemp("compose"))


def ports(service: Service) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = service.get("ports", [])
    return found


def mounts(service: Service) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = service.get("volumes", [])
    return found


# What every service must be. Each says whether it is.
RULES: dict[str, Callable[[str, Service], bool]] = {
    "runs as a user that is not root": lambda _, s: re.fullmatch(r"[1-9]\d*:[1-9]\d*", s.get("user", "")) is not None,
    "has no capability": lambda _, s: s.get("cap_drop") == ["ALL"] and not s.get("cap_add"),
    "gains no privilege": lambda _, s: (
        "no-new-privileges:true" in s.get("security_opt", []) and not s.get("privileged")
    ),
    "cannot write to its image": lambda _, s: s.get("read_only") is True,
    "has an init that passes signals on": lambda _, s: s.get("init") is True,
    "has a limit of memory": lambda _, s: int(s.get("mem_limit", 0)) > 0,
    "has a limit of processes": lambda _, s: int(s.get("pids_limit", 0)) > 0,
    "has bounded logs": lambda _, s: {"max-size", "max-file"} <= set(s.get("logging", {}).get("options", {})),
    "is started again, or was asked for by hand": lambda name, s: (
        s.get("restart") == ("no" if name in ONCE else "unless-stopped")
    ),
    "is made here": lambda _, s: (
        s.get("image", "").startswith("tidemark/") and s.get("build", {}).get("target") == s["image"].split("/")[1]
    ),
    "has a health check, or ends": lambda name, s: name in ONCE or "test" in s.get("healthcheck", {}),
    "publishes at a loopback address": lambda _, s: all(port.get("host_ip") == "127.0.0.1" for port in ports(s)),
    "is in networks that are known, or in none": lambda _, s: (
        set(s.get("networks") or {}) <= NETWORKS and s.get("network_mode") in (None, "none")
    ),
    "is in edge only to publish a port": lambda name, s: (
        ("edge" in (s.get("networks") or {})) == (bool(ports(s)) or name in EDGE_WITHOUT_PORTS)
    ),
    "is told no secret": lambda _, s: (
        not [key for key in s.get("environment") or {} if SECRET.search(key) and key not in NOT_A_SECRET]
    ),
    "mounts nothing of this machine": lambda _, s: all(mount["type"] == "volume" for mount in mounts(s)),
    "reads passwords and does not write them": lambda name, s: all(
        mount.get("read_only") is True
        for mount in mounts(s)
        if mount.get("source", "").startswith("passwords") and name != "passwords"
    ),
    "shares no namespace of this machine": lambda _, s: not {"pid", "ipc", "userns_mode", "devices"} & set(s),
}


def faults(name: str, service: Service) -> set[str]:
    """The rules that a service breaks."""
    return {rule for rule, keeps in RULES.items() if not keeps(name, service)}


def test_every_service_keeps_every_rule(compose: dict[str, Any]) -> None:
    assert {name: broken for name, service in compose["services"].items() if (broken := faults(name, service))} == {}


def test_a_service_that_is_added_bare_breaks_the_rules(tmp_path: Path) -> None:
    text = (HOME / "docker-compose.yml").read_text()
    bare = config(
        tmp_path, text.replace("services:\n", "services:\n  bare: {image: someone/else, ports: ['1:1']}\n", 1)
    )

    broken = faults("bare", bare["services"]["bare"])

    harmless = {"is told no secret", "mounts nothing of this machine", "reads passwords and does not write them"}
    harmless |= {"shares no namespace of this machine"}
    assert set(RULES) - broken <= harmless


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"user": "0:0"}, "runs as a user that is not root"),
        ({"cap_add": ["NET_ADMIN"]}, "has no capability"),
        ({"privileged": True}, "gains no privilege"),
        ({"environment": {"POSTGRES_PASSWORD": "x"}}, "is told no secret"),
        ({"volumes": [{"type": "bind", "source": "/var/run/docker.sock"}]}, "mounts nothing of this machine"),
        ({"pid": "host"}, "shares no namespace of this machine"),
        ({"network_mode": "host", "networks": None}, "is in networks that are known, or in none"),
        ({"ports": [{"host_ip": "192.0.2.1", "target": 1}]}, "publishes at a loopback address"),
        (
            {"volumes": [{"type": "volume", "source": "passwords-all"}]},
            "reads passwords and does not write them",
        ),
    ],
)
def test_a_service_that_is_loosened_breaks_the_rule(compose: dict[str, Any], change: Service, rule: str) -> None:
    assert rule in faults("api", deepcopy(compose["services"]["api"]) | change)


def test_every_service_starts_when_what_it_needs_has_done_its_work(compose: dict[str, Any]) -> None:
    needs = {name: service.get("depends_on", {}) for name, service in compose["services"].items()}

    for name, needed in needs.items():
        for other, how in needed.items():
            expected = "service_completed_successfully" if other in ONCE else "service_healthy"
            assert how["condition"] == expected, f"{name} starts after {other}"
    assert {name for name, needed in needs.items() if not needed} == {"namenode", "passwords", "zookeeper"}


def test_only_edge_reaches_the_world_and_its_containers_do_not_reach_each_other(compose: dict[str, Any]) -> None:
    networks = compose["networks"]

    assert set(networks) == NETWORKS
    assert [name for name, network in networks.items() if not network.get("internal")] == ["edge"]
    assert networks["edge"]["driver_opts"] == {"com.docker.network.bridge.enable_icc": "false"}


def test_each_password_is_mounted_where_it_is_needed_and_nowhere_else(compose: dict[str, Any]) -> None:
    mounted: dict[str, set[str]] = {}
    for name, service in compose["services"].items():
        for mount in mounts(service):
            if name != "passwords" and mount.get("source", "").startswith("passwords-"):
                mounted.setdefault(mount["source"].removeprefix("passwords-"), set()).add(name)

    assert mounted == {
        "all": {"migrate"},
        "postgres": {"postgres"},
        "jobs": {"spark-submit", "streaming", "batch"},
        "spark": {"spark-master", "spark-worker"},
        "metastore": {"hive-metastore"},
        "sql": {"hive-server"},
        "api": {"api"},
        "dashboard": {"dashboard"},
        "pgadmin": {"pgadmin"},
    }
    assert {mount["source"] for mount in mounts(compose["services"]["passwords"])} == {
        f"passwords-{v}" for v in VOLUMES
    }


def test_what_has_no_password_of_its_own_is_not_published(compose: dict[str, Any]) -> None:
    published = {(name, port["target"]) for name, service in compose["services"].items() for port in ports(service)}

    assert published == {
        ("kafka", 9092), ("namenode", 9870), ("postgres", 5432), ("spark-master", 8080), ("spark-worker", 8081),
        ("spark-history", 18080), ("hive-server", 10000), ("api", 5550), ("dashboard", 8501), ("pgadmin", 5050),
    }  # fmt: skip


def written(default: object) -> str:
    """A default as compose gives it to a container."""
    if default is None:
        return ""
    return str(default).lower() if isinstance(default, bool) else str(default)


def test_every_variable_has_one_default_and_stands_in_the_example_file() -> None:
    found = {(m["name"], m["default"]) for m in VARIABLE.finditer((HOME / "docker-compose.yml").read_text())}
    defaults = {
        name.upper(): written(field.default)
        for model in (Settings, Variables)
        for name, field in model.model_fields.items()
    }
    defaults["SPEED_INTERVAL"] = "1"  # several pipelines share the cluster

    assert found == {(name, defaults[name]) for name, _ in found}
    assert {name.upper() for name in Variables.model_fields} <= {name for name, _ in found}


def test_the_producers_are_told_every_setting_of_open_food_facts(compose: dict[str, Any]) -> None:
    wanted = {name.upper() for name in Settings.model_fields if name.startswith("openfoodfacts_")}

    assert wanted | {"USE_API", "BATCH_LENGTH", "MAX_OFFSET"} <= set(compose["services"]["producers"]["environment"])


def test_the_health_check_of_the_batch_knows_how_often_it_runs(compose: dict[str, Any]) -> None:
    batch = compose["services"]["batch"]

    assert batch["command"][-2:] == ["--every", batch["environment"]["BATCH_EVERY"]]


def amount(text: str) -> int:
    """A number of bytes as the variables have it, in megabytes."""
    return int(text[:-1]) * {"m": 1, "g": 1024}[text[-1]]


@pytest.mark.parametrize(
    ("service", "limit", "memory"),
    [
        ("spark-worker", "spark_worker_limit", "spark_worker_memory"),
        ("hive-server", "hive_server_limit", "hive_server_memory"),
    ],
)
def test_who_raises_the_memory_of_a_service_can_raise_its_limit(service: str, limit: str, memory: str) -> None:
    text = (HOME / "docker-compose.yml").read_text().split(f"\n  {service}:\n")[1].split("\n\n")[0]
    default = {name: amount(Variables.model_fields[name].default) for name in (limit, memory)}

    assert f"mem_limit: ${{{limit.upper()}:-" in text
    assert f"${{{memory.upper()}:-" in text
    assert default[limit] >= default[memory] + 768


def lines(file: str) -> list[list[str]]:
    """The words of each line of a configuration file that is no comment."""
    text = (HOME / "docker" / file).read_text()
    return [line.split() for line in text.splitlines() if line.strip() and not line.startswith("#")]


@pytest.fixture
def spark_defaults() -> dict[str, str]:
    """The settings of every Spark process of the cluster."""
    return {name: value for name, value, *_ in lines("spark/spark-defaults.conf")}


def test_spark_asks_for_the_secret_and_takes_nothing_over_http(spark_defaults: dict[str, str]) -> None:
    assert spark_defaults["spark.authenticate"] == "true"
    assert spark_defaults["spark.master.rest.enabled"] == "false"
    assert spark_defaults["spark.ui.killEnabled"] == "false"
    assert spark_defaults["spark.master.ui.decommission.allow.mode"] == "DENY"
    assert "spark.authenticate.secret" not in spark_defaults


def test_what_spark_shuffles_and_keeps_as_state_goes_to_the_disk(compose: dict[str, Any]) -> None:
    sparks = [service for service in compose["services"].values() if service["image"] == "tidemark/spark"]

    assert "SPARK_LOCAL_DIRS=/scratch/local" in (HOME / "docker/Dockerfile").read_text()
    assert len(sparks) == 8
    for service in sparks:
        assert [mount["type"] for mount in mounts(service) if mount["target"] == "/scratch"] == ["volume"]


def test_what_executors_say_is_bounded(spark_defaults: dict[str, str]) -> None:
    assert spark_defaults["spark.executor.logs.rolling.strategy"] == "size"
    assert int(spark_defaults["spark.executor.logs.rolling.maxSize"]) <= 10 * 2**20
    assert int(spark_defaults["spark.executor.logs.rolling.maxRetainedFiles"]) <= 3


def test_postgres_asks_everyone_for_a_password() -> None:
    assert {words[-1] for words in lines("postgres/pg_hba.conf")} == {"scram-sha-256"}
    assert ["password_encryption", "=", "'scram-sha-256'"] in lines("postgres/postgresql.conf")


def test_images_are_made_of_one_base_that_is_no_one_elses() -> None:
    stages: set[str] = set()
    for words in lines("Dockerfile"):
        if words[0] == "FROM":
            assert words[1] in stages | {"debian:trixie-slim"}
            assert words[2] == "AS"
            stages.add(words[3])
        assert words[0] != "ADD"  # it fetches what nobody has verified
