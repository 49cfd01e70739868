"""The documentation is held by tests: its commands, its links and its tables."""

import ast
import re
from dataclasses import fields
from pathlib import Path

import pytest

from app.model import Pipeline
from app.options import PIPELINES, SCRIPTS, parser
from app.settings import HOME
from embedded import spark

COMMANDS = "tests/demo/test_demo.py::test_the_commands_of_the_documentation_do_what_they_say"
ORDERS = (
    "tests/demo/test_new_pipeline.py::"
    "test_a_new_pipeline_runs_once_the_data_are_forgotten_and_changes_with_its_definition"
)
CLUSTER = "tests/cluster/test_cluster.py::test_"
CORE = f"{CLUSTER}the_core_comes_up_in_three_minutes_and_idles_in_four_gibibytes"
FIVE = f"{CLUSTER}five_pipelines_run_on_the_cluster_and_are_exact"
READ = f"{CLUSTER}what_is_there_is_read_in_every_way_that_the_readme_shows"
MOVING = f"{CLUSTER}after_down_and_up_nothing_is_lost_and_the_streams_go_on"
ASKED = "tests/integration/backend/test_views.py::test_the_questions_of_the_documentation_are_answered"
PGADMIN = f"{CLUSTER}pgadmin_is_up_and_knows_the_database"
# Where each command that stands in a block of README.md or docs/, or in a table of README.md, is run.
RUN_BY = {
    "curl 'localhost:5550/pipelines/transactions/views/clients?sort=-total&limit=5'": ASKED,
    "curl 'localhost:5550/pipelines/products/views/grades?nutriscore_grade=a&layer=batch'": ASKED,
    "curl -H 'Accept: text/csv' 'localhost:5550/pipelines/sensors/views/minutes?since=2026-01-01T00:00:00Z'": ASKED,
    "curl localhost:5550/objects": READ,
    "docker compose --profile jobs up -d --wait": MOVING,
    "docker compose --profile tools up -d --wait": PGADMIN,
    "docker compose exec kafka kafka-console-consumer --topic space_data --from-beginning --max-messages 3": READ,
    "docker compose exec namenode hdfs dfs -ls /data/space/alerts/": READ,
    "docker compose run --rm spark-submit app/batch_job.py transactions --full": FIVE,
    "docker compose up -d --wait": CORE,
    "docker compose up -d --wait --no-recreate --scale spark-worker=2": FIVE,
    "SPARK_MASTER=spark://$MASTER ./scripts/submit batch transactions": COMMANDS,
    "./scripts/accept transactions": COMMANDS,
    "./scripts/demo": "tests/demo/test_browser.py",
    "./scripts/demo orders": ORDERS,
    "./scripts/migrate": COMMANDS,
    "./scripts/new-pipeline orders": ORDERS,
    './scripts/psql "SELECT count(*), avg(medv), min(medv), max(medv) FROM housing"': READ,
    './scripts/query "SELECT * FROM space.alerts LIMIT 5"': READ,
    "./scripts/query SHOW TABLES IN transactions": COMMANDS,
    "./scripts/query SELECT client, amount FROM transactions.silver LIMIT 5": COMMANDS,
    "./scripts/rollback transactions": COMMANDS,
    "./scripts/submit metastore": COMMANDS,
    "./scripts/submit sql": COMMANDS,
    "./scripts/submit batch transactions --full": COMMANDS,
    "./scripts/submit serving transactions": COMMANDS,
    "./scripts/status": READ,
    "./scripts/submit batch transactions": FIVE,
    "./scripts/submit streaming": FIVE,
    "./scripts/submit streaming transactions": COMMANDS,
    "./scripts/test": ".ci/run",
    "./scripts/topics": COMMANDS,
    "./scripts/verify": FIVE,
}
PAGES = sorted([*HOME.glob("*.md"), *HOME.glob("[!.]*/*.md")])
BLOCK = re.compile(r"^```(?P<kind>\w*)\n(?P<text>.*?)^```", re.MULTILINE | re.DOTALL)
ROW = re.compile(r"^\|.*", re.MULTILINE)
IN_ROW = re.compile(r"`((?:docker compose|\./scripts/|curl )[^`]*)`")
SCRIPT = re.compile(r"\./scripts/(?P<script>[\w-]+)(?P<arguments>(?: [\w./-]+)*)")
SUBMIT = re.compile(r"spark-submit (?P<job>app/\w+\.py)(?P<arguments>(?: [\w./-]+)*)")
TARGET = re.compile(r"""\]\(\s*([^)\s#]+)|\b(?:src|srcset|href)="([^"#]+)""")


def commands() -> list[str]:
    """The commands in the blocks of README.md and docs/, without their comments, and in the tables of README.md."""
    pages = [HOME / "README.md", *sorted((HOME / "docs").glob("*.md"))]
    blocks = [block for page in pages for block in BLOCK.finditer(page.read_text())]
    assert {block["kind"] for block in blocks} <= {"sh", "text"}
    lines = [line for block in blocks if block["kind"] == "sh" for line in block["text"].splitlines()]
    rows = [command for row in ROW.findall(pages[0].read_text()) for command in IN_ROW.findall(row)]
    return [line.split(" #")[0].strip() for line in lines if line] + rows


def source(test: str) -> str:
    """The text of a test, or of the file that is named in its place."""
    file, _, name = test.partition("::")
    text = (HOME / file).read_text()
    if not name:
        return text
    (function,) = [node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef) and node.name == name]
    return ast.get_source_segment(text, function) or ""


def given(arguments: str) -> list[str]:
    """What a command is given, with a pipeline that there is in place of one that a reader has."""
    return [PIPELINES[0] if word in ("NAME", "orders") else word for word in arguments.split()]


def test_every_command_of_the_documentation_is_run_by_a_test() -> None:
    assert set(commands()) == set(RUN_BY)


@pytest.mark.parametrize("command", RUN_BY)
def test_the_test_that_is_named_runs_the_command_as_it_stands(command: str) -> None:
    text = source(RUN_BY[command])

    assert any(written in text for written in (f'"{command}"', f"'{command}'", f"exec {command}\n"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_that_a_page_names_exists_and_can_be_given_what_it_is_given(page: Path) -> None:
    text = page.read_text()

    for found in SCRIPT.finditer(text):
        assert found["script"] in SCRIPTS, found[0]
        if found["arguments"]:
            parser(found["script"]).parse_args(given(found["arguments"]))
    jobs = {file: job for job, file in spark.JOBS.items()}
    for found in SUBMIT.finditer(text):
        parser(jobs[found["job"]]).parse_args(given(found["arguments"]))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_links_to_is_there(page: Path) -> None:
    targets = [one or other for one, other in TARGET.findall(page.read_text())]

    missing = [to for to in targets if not to.startswith("https://") and not (page.parent / to).exists()]
    assert missing == []


def test_the_table_of_a_pipeline_lists_every_field() -> None:
    table = (HOME / "docs/pipelines.md").read_text().split("| field |")[1].split("\n\n")[0]
    listed = [name for row in re.findall(r"^\| (`.+?) \|", table, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)]

    assert sorted(listed) == sorted(field.name for field in fields(Pipeline))


def test_every_bundled_file_has_an_origin_and_a_licence() -> None:
    text = (HOME / "datasets/README.md").read_text()
    about = dict(re.findall(r"^## (\S+)\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))

    assert set(about) == {file.name for file in (HOME / "datasets").iterdir()} - {"README.md"}
    assert all("**Origin.**" in one and "**Licence.**" in one for one in about.values())
