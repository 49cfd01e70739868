"""No job, API or page knows a pipeline by name: what it needs of one stands in the definition."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from app import pipelines

HOME = Path(__file__).resolve().parents[2]
DEFINITIONS = {HOME / f"app/pipelines/{name}.py" for name in pipelines.names()}
MODULES = [
    path
    for package in ("app", "backend", "cluster", "dashboard", "embedded")
    for path in sorted((HOME / package).rglob("*.py"))
]
SHELL = sorted(path for path in (HOME / "scripts").rglob("*") if path.is_file())
Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def short(path: Path) -> str:
    return str(path.relative_to(HOME))


def texts(source: str) -> Iterator[str]:
    """Every identifier and string of a module but its docstrings, which may show a command by an example."""
    tree = ast.parse(source)
    documented = (node for node in ast.walk(tree) if isinstance(node, Documented) and ast.get_docstring(node))
    docstrings = {id(node.body[0].value) for node in documented if isinstance(node.body[0], ast.Expr)}
    for node in ast.walk(tree):
        if id(node) not in docstrings:
            for _, value in ast.iter_fields(node):
                yield from (text for text in (value if isinstance(value, list) else [value]) if isinstance(text, str))


def named(texts: Iterator[str]) -> list[str]:
    """The texts that hold a pipeline's name or topic as a word, or as a part of an identifier, also of a constant."""
    names = [name for pipeline in pipelines.select([]) for name in (pipeline.name, pipeline.topic.name)]
    spelled = "|".join(re.escape(one) for name in names for one in (name, name.upper()))
    found = re.compile(rf"(?<![A-Za-z0-9])(?:{spelled})(?![A-Za-z0-9])")
    return [text for text in texts if found.search(text)]


@pytest.mark.parametrize("module", [path for path in MODULES if path not in DEFINITIONS], ids=short)
def test_no_module_knows_a_pipeline_by_name(module: Path) -> None:
    assert named(texts(module.read_text())) == []


@pytest.mark.parametrize("script", SHELL, ids=short)
def test_no_script_knows_a_pipeline_by_name(script: Path) -> None:
    lines = script.read_text().splitlines()

    assert named(line for line in lines if not line.lstrip().startswith("#")) == []


@pytest.mark.parametrize(
    "source",
    [
        'if name == "transactions": pass',
        'print(f"the view transactions_{name}")',
        'KEY = b"".join([]) or {"/pipelines/transactions": 1}',
        "from app.pipelines.transactions import PIPELINE",
        "from app.pipelines import transactions as one",
        "import app.model as transactions",
        "pipelines.transactions",
        "load(transactions=True)",
        "TRANSACTIONS = 1",
        "def count_transactions(): pass",
        "def count(transactions): pass",
        "class A:\n    def f(self):\n        global transactions",
        'def f():\n    """Text."""\n    return "transactions"',
        '"""Text."""\n"transactions"',
    ],
)
def test_a_name_is_found_wherever_it_stands(source: str) -> None:
    assert len(named(texts(source))) == 1


@pytest.mark.parametrize(
    "source",
    [
        '"""spark-submit app/batch_job.py transactions"""',
        'def f():\n    """Counts transactions."""',
        'class A:\n    """Transactions."""',
        "# transactions",
        "with ledger.transaction() as cursor: pass",
        'NAMESPACE = "workspace"',
    ],
)
def test_an_example_and_a_word_that_only_looks_alike_are_let_be(source: str) -> None:
    assert named(texts(source)) == []
