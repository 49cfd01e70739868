"""Counts what the tests consist of, so that faster tests cannot be fewer.

    ./scripts/test inventory            # the tree as it is, beside the last commit
    ./scripts/test inventory REVISION

No test runs for it. Exit code 1 says that a count is smaller than it was. The counts:

- ids: the tests that pytest collects, one for each set of parameters;
- asserts: assert statements and calls of pytest.raises, in all of tests/;
- examples: that hypothesis may draw, over all ids; a property within a helper counts once;
- kill points: over all ids, the scripts of tests/faults and the signals SIGKILL that a test names or has as parameters.
"""

import ast
import inspect
import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import tempfile
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

HOME = Path(__file__).resolve().parents[1]
SECONDS = 300  # that pytest may take to collect, on a busy machine too
Counts = dict[str, int]


def count(folder: Path) -> Counts:
    """The counts of a tree, by a process that imports that tree alone.

    Raises:
        RuntimeError: pytest cannot collect its tests; the message ends with what pytest has printed.
    """
    with tempfile.NamedTemporaryFile("r") as counts:
        done = subprocess.run(
            [sys.executable, "-P", __file__, "--count", counts.name], cwd=folder, stdout=-1, stderr=-2, text=True,
            env=os.environ | {"PYTHONPATH": str(folder)}, timeout=SECONDS, check=False,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"cannot collect the tests of {folder}; pytest says:\n{done.stdout[-5000:]}")
        counted: Counts = json.load(counts)
    return counted


def count_revision(revision: str) -> Counts:
    """The counts of a revision of the repository. Raises CalledProcessError where there is none of this name."""
    archive = subprocess.run(["git", "archive", revision], cwd=HOME, check=True, stdout=subprocess.PIPE).stdout
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            tar.extractall(folder, filter="data")
        return count(Path(folder).resolve())


class Collected:
    """Counts what pytest has collected in the current folder."""

    def __init__(self) -> None:
        self.counts: Counts = {}

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        trees = {path: ast.parse(path.read_text()) for path in Path("tests").rglob("*.py")}
        faults = {path.name for path in Path("tests/faults").glob("*_killed_*.py")}
        items = [item for item in session.items if isinstance(item, pytest.Function)]
        helpers = sum(examples for path, tree in trees.items() for examples in _of_helpers(path, tree))
        self.counts = {
            "ids": len(items),
            "asserts": sum(_is_check(node) for tree in trees.values() for node in ast.walk(tree)),
            "examples": sum(map(_examples, items)) + helpers,
            "kill points": sum(_kill_points(item, faults) for item in items),
        }


def _is_check(node: ast.AST) -> bool:
    return isinstance(node, ast.Assert) or (isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.raises")


def _examples(item: pytest.Function) -> int:
    # Hypothesis has no public way to ask a test for its settings.
    settings = getattr(item.obj, "_hypothesis_internal_use_settings", None)
    return settings.max_examples if settings and item.obj.is_hypothesis_test else 0


def _of_helpers(path: Path, tree: ast.Module) -> Iterator[int]:
    """The examples of each property that a function of a module makes, whose settings name them."""
    for outer in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)):
        for node in (
            node for inner in outer.body if isinstance(inner, ast.FunctionDef) for node in inner.decorator_list
        ):
            for given in (word.value for word in getattr(node, "keywords", ()) if word.arg == "max_examples"):
                names = vars(sys.modules[".".join(path.with_suffix("").parts)])
                yield ast.literal_eval(given) if isinstance(given, ast.Constant) else names[ast.unparse(given)]


def _kill_points(item: pytest.Function, faults: set[str]) -> int:
    (function,) = ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(item.function)))).body
    nodes = [node for statement in getattr(function, "body", ()) for node in ast.walk(statement)]
    given = list(item.callspec.params.values()) if hasattr(item, "callspec") else []
    scripts = {node.value for node in nodes if isinstance(node, ast.Constant)} | {
        v for v in given if isinstance(v, str)
    }
    signals = [node for node in nodes if isinstance(node, ast.Attribute) and node.attr == "SIGKILL"]
    return len(scripts & faults) + len(signals) + given.count(signal.SIGKILL)


def main() -> None:
    if sys.argv[1:2] == ["--count"]:
        collected = Collected()
        code = pytest.main(["--collect-only", "-qq", "tests"], plugins=[collected])
        Path(sys.argv[2]).write_text(json.dumps(collected.counts))
        sys.exit(code)
    revision = sys.argv[1] if len(sys.argv) > 1 else "HEAD"
    before, now = count_revision(revision), count(HOME)
    print(f"{'':12}{revision[:12]:>12}{'now':>12}")
    for name in now:
        print(f"{name:12}{before[name]:>12,}{now[name]:>12,}{'  fewer' if now[name] < before[name] else ''}")
    sys.exit(any(now[name] < before[name] for name in now))


if __name__ == "__main__":
    main()
