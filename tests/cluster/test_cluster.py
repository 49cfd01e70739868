"""The cluster as the README shows it: every command as it stands there, on the real distributed parts.

The tests go on where the one before has left the cluster.
"""

import json
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from app import pipelines
from app.settings import HOME

UP_SECONDS = 180
IDLE_GIB = 4.0
SENT = 400  # new events of each producer
UNITS = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}

Run = Callable[..., str]

pytestmark = pytest.mark.usefixtures("clean")


@pytest.fixture(scope="module")
def run(environment: dict[str, str]) -> Run:
    """Runs a command of the README in the folder of the project; gives what it printed."""

    def call(command: str, *, within: float = 300, folder: Path = HOME) -> str:
        done = subprocess.run(
            ["bash", "-c", command], cwd=folder, env=environment, stdout=-1, stderr=-2, text=True, timeout=within,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout
        return done.stdout

    return call


@pytest.fixture(scope="module")
def get(ports: dict[str, int]) -> Callable[[str], Any]:
    """The JSON that the API answers with."""

    def call(path: str) -> Any:
        with urlopen(f"http://127.0.0.1:{ports['API_PORT']}{path}", timeout=60) as answer:
            return json.load(answer)

    return call


@contextmanager
def running(command: str, environment: dict[str, str], output: Path) -> Iterator[None]:
    """A command that runs until Ctrl-C, which it takes in good order."""
    with output.open("w") as file:
        job = subprocess.Popen(
            ["bash", "-c", f"exec {command}"], cwd=HOME, env=environment, stdout=file, stderr=file,
            start_new_session=True,
        )  # fmt: skip
    try:
        yield
        assert job.poll() is None, output.read_text()
        job.send_signal(signal.SIGINT)
        assert job.wait(timeout=120) == 0, output.read_text()
    finally:
        job.kill()
        job.wait()


def until(condition: Callable[[], bool], seconds: float) -> None:
    Retrying(stop=stop_after_delay(seconds), wait=wait_fixed(1), retry=retry_if_result(lambda done: not done))(
        condition
    )


def timed(run: Run, command: str, **options: Any) -> float:
    started = time.monotonic()
    run(command, **options)
    return time.monotonic() - started


def committed(get: Callable[[str], Any]) -> dict[str, int]:
    """How many messages of its topic each pipeline has committed."""
    found = {pipeline.name: get(f"/pipelines/{pipeline.name}")["offsets"] for pipeline in pipelines.select([])}
    return {
        name: sum(end for partition, end in offsets.items() if int(partition) >= 0) for name, offsets in found.items()
    }


def messages(run: Run) -> dict[str, int]:
    """How many messages the topic of each pipeline holds."""
    found = re.findall(r"^│ (\w+) +│ [\w-]+ +│ ([\d,]+) ", run("./scripts/status"), re.MULTILINE)
    return {name: int(sent.replace(",", "")) for name, sent in found}


def spark_master(ports: dict[str, int]) -> Any:
    """What the page of the Spark master knows."""
    with urlopen(f"http://127.0.0.1:{ports['SPARK_MASTER_UI_PORT']}/json/", timeout=30) as answer:
        return json.load(answer)


def count(run: Run, statement: str) -> int:
    (number,) = re.findall(r"^ +(\d+)$", run(f'./scripts/psql "{statement}"'), re.MULTILINE)
    return int(number)


def test_images_are_built_and_a_change_of_the_code_is_built_in_seconds(run: Run, tmp_path: Path) -> None:
    first = timed(run, "docker compose --profile jobs --profile tools build", within=1800)
    changed = tmp_path / "changed"
    shutil.copytree(HOME, changed, ignore=shutil.ignore_patterns(".git", "data", ".*_cache", "__pycache__"))
    with (changed / "app/batch_job.py").open("a") as file:
        file.write("# changed\n")
    again = timed(run, "docker compose --profile jobs build", folder=changed)
    run("docker compose --profile jobs build")  # puts back what is tested here

    print(f"\nwhat was left of the images built in {first:.0f} s; after a change of app/ in {again:.1f} s")
    assert again < 60


def test_the_core_comes_up_in_three_minutes_and_idles_in_four_gibibytes(run: Run) -> None:
    seconds = timed(run, "docker compose up -d --wait", within=600)
    names = run("docker compose ps --quiet").split()
    used = run(f"docker stats --no-stream --format '{{{{.MemUsage}}}}' {' '.join(names)}")
    memory = sum(float(number) * UNITS[unit] for number, unit in re.findall(r"^([\d.]+)(\w+) /", used, re.MULTILINE))

    print(f"\nup in {seconds:.0f} s, {memory / 2**30:.2f} GiB idle in {len(names)} containers")
    assert seconds <= UP_SECONDS
    assert memory <= IDLE_GIB * 2**30


def test_containers_are_not_root_and_hold_no_password_but_in_files_of_their_own(run: Run) -> None:
    for container in run("docker compose ps --quiet").split():
        about = json.loads(run(f"docker inspect {container}"))[0]
        secrets = run(f"docker exec {container} sh -c 'tail -n +1 /run/secrets/tidemark/* 2>/dev/null || true'").split()
        modes = run(f"docker exec {container} sh -c 'stat -c %a:%u /run/secrets/tidemark/* 2>/dev/null || true'")

        assert run(f"docker exec {container} id -u").strip() == "10001"
        assert set(modes.split()) <= {"600:10001"}
        assert not [line for line in about["Config"]["Env"] if line.partition("=")[2] in secrets]


def test_five_pipelines_run_on_the_cluster_and_are_exact(
    run: Run, get: Callable[[str], Any], environment: dict[str, str], tmp_path: Path
) -> None:
    with running("./scripts/submit streaming", environment, tmp_path / "streaming.log"):
        run(f"docker compose run --rm --no-deps -T producers python -P -m producers --count {SENT} --rate 100")
        sent = messages(run)
        until(lambda: committed(get) == sent, 300)
        run("./scripts/submit batch transactions")
        run("docker compose run --rm spark-submit app/batch_job.py transactions --full")
        run("./scripts/submit batch housing products sensors space", within=600)
        assert "housing.housing: 506 rows" in run("./scripts/submit serving housing")
        verified = run("./scripts/verify", within=600)

        run("docker compose up -d --wait --no-recreate --scale spark-worker=2")
        run("docker compose restart spark-master")
        run(f"docker compose run --rm --no-deps -T producers python -P -m producers --count {SENT} --rate 100")
        more = messages(run)
        until(lambda: committed(get) == more, 300)

    for pipeline in pipelines.select([]):
        for view in pipeline.served:
            assert f"verify: exact {pipeline.name}.{view.name}: " in verified
        for table in ("bronze", "quarantine", *(table.name for table in pipeline.lake)):
            assert f"verify: exact {pipeline.name}/{table}: " in verified
    assert all(more[name] > sent[name] for name in sent)


def test_two_workers_are_at_the_masters_service(ports: dict[str, int]) -> None:
    assert sum(worker["state"] == "ALIVE" for worker in spark_master(ports)["workers"]) == 2


def test_spark_takes_no_application_without_its_secret(run: Run, ports: dict[str, int]) -> None:
    def applications() -> int:
        found = spark_master(ports)
        return len(found["activeapps"]) + len(found["completedapps"])

    before = applications()
    said = run(
        "docker compose run --rm --no-deps -T --entrypoint bash spark-submit -c '"
        "cp docker/spark/spark-defaults.conf /run/tidemark/; "
        "echo spark.authenticate.secret guessed-by-someone >>/run/tidemark/spark-defaults.conf; "
        "timeout 25 spark-submit --conf spark.eventLog.enabled=false app/serving_layer.py housing || true'"
    )

    assert re.search(r"SaslException|Authentication|authenticat|DIGEST", said)
    assert applications() == before


def test_what_is_there_is_read_in_every_way_that_the_readme_shows(run: Run, get: Callable[[str], Any]) -> None:
    values = run('./scripts/psql "SELECT count(*), avg(medv), min(medv), max(medv) FROM housing"')
    assert re.search(r"^ +506 \|", values, re.MULTILINE)
    listed = run("docker compose exec namenode hdfs dfs -ls /data/space/alerts/")
    assert re.search(r"^drwx.* /data/space/alerts/\w+$", listed, re.MULTILINE)
    printed = run(
        "docker compose exec kafka kafka-console-consumer --topic space_data --from-beginning --max-messages 3"
    )
    assert len(re.findall(r"^\{.*\}$", printed, re.MULTILINE)) == 3
    assert "hazardous" in run('./scripts/query "SELECT * FROM space.alerts LIMIT 5"')
    assert "silver" in run("./scripts/query SHOW TABLES IN transactions")
    asked = "curl localhost:5550/objects"
    assert get(asked.removeprefix("curl localhost:5550"))["rows"]
    assert len(get("/objects?limit=5")["rows"]) == 5
    assert len(get("/alerts?limit=5")["rows"]) == 5
    assert "Spark master" in run("./scripts/status")
    assert "registered" in run("timeout --signal INT 5 ./scripts/logs migrate || true")


def test_the_other_commands_work_on_the_cluster_too(run: Run) -> None:
    assert "readers see version" in run("./scripts/rollback transactions")
    assert "topic transactions: 3 partitions" in run("./scripts/topics")
    run("./scripts/migrate")


def test_a_role_that_reads_cannot_write(environment: dict[str, str]) -> None:
    command = ["./scripts/psql", "CREATE TABLE mine (x int)"]
    done = subprocess.run(command, cwd=HOME, env=environment, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode != 0
    assert "read-only" in done.stderr + done.stdout


def test_after_down_and_up_nothing_is_lost_and_the_streams_go_on(run: Run, get: Callable[[str], Any]) -> None:
    before = committed(get)
    rows = count(run, "SELECT count(*) FROM housing")
    mounted = run("docker inspect --format '{{range .Mounts}}{{.Name}} {{end}}' $(docker compose ps --all --quiet)")
    nameless = set(re.findall(r"\b[0-9a-f]{64}\b", mounted))
    run("./scripts/down")
    assert nameless
    assert not nameless & set(run("docker volume ls --quiet").split())
    seconds = timed(run, "./scripts/up --jobs", within=900)
    run("docker compose --profile jobs up -d --wait")
    until(lambda: all(now > before[name] for name, now in committed(get).items()), 300)
    run("docker compose --profile jobs stop producers batch")  # so that what is counted is proven soon
    verified = run("./scripts/verify", within=900)

    print(f"\nup with all jobs in {seconds:.0f} s")
    assert count(run, "SELECT count(*) FROM housing") == rows == 506
    assert "verify: exact transactions.clients: " in verified
    assert "not exact" not in verified.lower()


def test_the_api_asks_for_a_token_where_it_is_told_to(run: Run, ports: dict[str, int]) -> None:
    token = run("docker compose exec -T api cat /run/secrets/tidemark/api_token").strip()
    address = f"http://127.0.0.1:{ports['API_PORT']}/pipelines"
    read = "from app.settings import settings; from dashboard.api import Api; print(Api(settings()).get('/pipelines'))"
    run("API_TOKENS=/run/secrets/tidemark/api_token docker compose up -d --wait api dashboard")

    with pytest.raises(HTTPError, match="401"):
        urlopen(address, timeout=30)
    with urlopen(Request(address, headers={"Authorization": f"Bearer {token}"}), timeout=30) as answer:
        assert answer.status == 200
    assert "transactions" in run(f'docker compose exec -T dashboard python -P -c "{read}"')
    run("docker compose up -d --wait api dashboard")
    with urlopen(address, timeout=30) as answer:
        assert answer.status == 200


def test_pgadmin_is_up_and_knows_the_database(run: Run, ports: dict[str, int]) -> None:
    run("docker compose --profile tools up -d --wait", within=600)
    with urlopen(f"http://127.0.0.1:{ports['PGADMIN_PORT']}/login", timeout=30) as answer:
        assert "pgAdmin" in answer.read().decode()
    listed = run(
        "docker compose exec -T pgadmin bash -c "
        "'cd /opt/pgadmin/lib/python3.*/site-packages/pgadmin4 && python setup.py dump-servers /tmp/servers.json "
        "--user admin@tidemark.local && cat /tmp/servers.json'"
    )
    assert "postgres.app" in listed


def test_what_is_forgotten_is_gone(run: Run) -> None:
    run("./scripts/down --forget-data")

    assert run("docker volume ls --quiet --filter label=com.docker.compose.project=$COMPOSE_PROJECT_NAME") == ""
