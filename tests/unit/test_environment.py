"""What is installed is what was pinned: jars by checksum, Python packages by hash."""

import hashlib
import re
import subprocess
from pathlib import Path

import pytest

HOME = Path(__file__).resolve().parents[2]
LOCKS = sorted((HOME / "requirements").glob("*.txt"))
PINNED = re.compile(r"^(?P<name>[\w.-]+)==(?P<version>\S+)")


@pytest.fixture
def jars(tmp_path: Path) -> Path:
    """A folder with two jars, and the file SHA256SUMS that fits them."""
    lines = []
    for name in ("spark/first.jar", "kafka/second.jar"):
        jar = tmp_path / "jars" / name
        jar.parent.mkdir(parents=True)
        jar.write_bytes(name.encode())
        lines.append(f"{hashlib.sha256(name.encode()).hexdigest()}  {name}\n")
    (tmp_path / "SHA256SUMS").write_text("".join(lines))
    return tmp_path / "jars"


def bash(program: str, *arguments: Path | str) -> subprocess.CompletedProcess[str]:
    """Runs bash with scripts/lib/environment.sh sourced."""
    source = f'. "{HOME}/scripts/lib/environment.sh"\n'
    return subprocess.run(
        ["bash", "-euc", source + program, "test", *arguments], capture_output=True, text=True, timeout=60, check=False
    )


def verify(jars: Path) -> subprocess.CompletedProcess[str]:
    return bash('tidemark_verify_jars "$1" "$2"', jars, jars.parent / "SHA256SUMS")


def requirements(lock: Path) -> list[str]:
    """The requirements of a lock, each with its hashes in one line."""
    lines = lock.read_text().replace("\\\n", " ").splitlines()
    return [line for line in lines if line and not line.lstrip().startswith("#")]


def pins(lock: Path) -> set[str]:
    return {line.split(" --hash=")[0].strip() for line in requirements(lock)}


def test_jars_that_fit_their_checksums_are_accepted(jars: Path) -> None:
    done = verify(jars)

    assert (done.returncode, done.stderr) == (0, "")


def test_a_jar_with_other_content_is_refused_by_name_with_both_checksums(jars: Path) -> None:
    (jars / "spark/first.jar").write_bytes(b"doctored")

    done = verify(jars)

    assert done.returncode == 1
    assert done.stderr == (
        "tidemark: error: jar spark/first.jar is not the one that is expected\n"
        f"  expected sha256 {hashlib.sha256(b'spark/first.jar').hexdigest()}\n"
        f"  found           {hashlib.sha256(b'doctored').hexdigest()}\n"
    )


def test_a_missing_jar_is_refused(jars: Path) -> None:
    (jars / "kafka/second.jar").unlink()

    done = verify(jars)

    assert done.returncode == 1
    assert "jar kafka/second.jar is not the one that is expected" in done.stderr
    assert "found           missing" in done.stderr


def test_a_jar_that_nobody_listed_is_refused(jars: Path) -> None:
    (jars / "spark/extra.jar").touch()

    done = verify(jars)

    assert done.returncode == 1
    assert "jar spark/extra.jar is not listed" in done.stderr


def test_jars_that_are_refused_are_not_kept(jars: Path, tmp_path: Path) -> None:
    (jars / "spark/first.jar").write_bytes(b"doctored")
    install = """
        TIDEMARK_HOME=$1 TIDEMARK_CACHE_ROOT=$2 downloaded=$3
        tidemark_retrieve_jars() { cp -r "$downloaded" "$1"; }
        mkdir -p "$1/jars" "$2" && cp "$4" "$1/jars/SHA256SUMS" && : >"$1/jars/ivy.xml"
        tidemark_jars
    """

    done = bash(install, tmp_path / "home", tmp_path / "cache", jars, tmp_path / "SHA256SUMS")

    assert done.returncode == 1
    assert "spark/first.jar" in done.stderr
    assert list((tmp_path / "cache").glob("jars-*")) == []


def test_an_installation_that_failed_is_done_again_and_one_that_succeeded_is_not(tmp_path: Path) -> None:
    program = """
        TIDEMARK_CACHE_ROOT=$1 marker=$1/.complete
        fails() { echo try; return 1; }
        works() { echo done; }
        tidemark_once "$marker" fails || true
        tidemark_once "$marker" works
        tidemark_once "$marker" works
    """

    assert bash(program, tmp_path).stdout.split() == ["try", "done"]


def test_two_installations_at_once_take_turns(tmp_path: Path) -> None:
    program = """
        TIDEMARK_CACHE_ROOT=$1
        works() { [[ ! -e $TIDEMARK_CACHE_ROOT/busy ]]; : >"$TIDEMARK_CACHE_ROOT/busy"; echo done; rm "$1/busy"; }
        for turn in 1 2 3 4 5 6; do tidemark_once "$1/.complete" works "$1" & done
        wait
    """

    assert bash(program, tmp_path).stdout.split() == ["done"]


@pytest.mark.parametrize("can", [True, False])
def test_class_data_are_prepared_once_and_where_java_cannot_jobs_do_without(tmp_path: Path, can: bool) -> None:
    spark_submit = tmp_path / "spark-submit"
    archive = 'for word; do case $word in -XX:Archive*) word=${word%% *}; touch "${word#*=}" ;; esac; done'
    spark_submit.write_text(f"#!/bin/bash\necho asked >>{tmp_path}/asked\n{archive if can else 'exit 1'}\n")
    spark_submit.chmod(0o755)
    (tmp_path / "release").write_text('JAVA_VERSION="17.0.1"\n')
    program = (
        "TIDEMARK_CACHE_ROOT=$1 JAVA_HOME=$1 TIDEMARK_VENV=$1 TIDEMARK_SPARK_JARS=$1 PATH=$1:$PATH; mkdir $1/log; "
        "for _ in 1 2; do tidemark_class_data; done; echo ${TIDEMARK_CLASS_DATA:-none}"
    )

    done = bash(program, tmp_path)

    assert done.returncode == 0, done.stderr
    assert (tmp_path / "asked").read_text() == "asked\n"
    (kept,) = tmp_path.glob("class-data-*")
    assert done.stdout.strip() == (f"{kept}/spark.jsa" if can else "none")
    assert ("this Java cannot keep them" in done.stderr) == (not can)


def test_a_python_that_does_not_fit_is_named_with_what_is_expected(tmp_path: Path) -> None:
    old = tmp_path / "python"
    old.write_text("#!/bin/sh\necho 3.10\n")
    old.chmod(0o755)

    done = bash("TIDEMARK_PYTHON=$1; tidemark_python", old)

    assert done.returncode == 1
    assert f"{old} is 3.10; expected 3.11, 3.12 or 3.13" in done.stderr


@pytest.mark.parametrize(("version", "fits"), [("17.0.15", True), ("21", True), ("11.0.2", False), ("170.1", False)])
def test_only_java_17_and_21_are_used(tmp_path: Path, version: str, fits: bool) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/java").touch(mode=0o755)
    (tmp_path / "release").write_text(f'IMPLEMENTOR="Somebody"\nJAVA_VERSION="{version}"\n')

    assert (bash('tidemark_java_fits "$1"', tmp_path).returncode == 0) is fits


def test_the_jar_checksums_cover_every_set() -> None:
    lines = (HOME / "jars/SHA256SUMS").read_text().splitlines()

    assert all(re.fullmatch(r"[0-9a-f]{64}  (spark|kafka|hdfs)/[\w.+-]+\.jar", line) for line in lines)
    names = {line[66:].rsplit("-", 1)[0] for line in lines}
    assert {
        "spark/delta-spark_4.2_2.13",
        "spark/kafka-clients",
        "kafka/kafka_2.13",
        "kafka/slf4j-simple",
        "hdfs/hadoop-hdfs",
    } <= names


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_every_locked_requirement_has_one_version_and_hashes(lock: Path) -> None:
    assert requirements(lock)
    for requirement in requirements(lock):
        assert PINNED.match(requirement), requirement
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", requirement), requirement


@pytest.mark.parametrize("lock", [*LOCKS, HOME / "jars/ivy.xml"], ids=lambda lock: lock.name)
def test_no_lock_names_an_index_a_host_or_a_path_of_a_machine(lock: Path) -> None:
    text = lock.read_text().replace('xmlns:maven="http://ant.apache.org/ivy/maven"', "")  # a name, not an address

    assert not re.search(r"--(extra-)?index-url|--find-links|--trusted-host|https?://|@ file:|(?m:^|\s)/\w", text)


def test_each_file_of_requirements_is_locked() -> None:
    assert [lock.stem for lock in LOCKS] == sorted(path.stem for path in (HOME / "requirements").glob("*.in"))


def test_the_locks_agree_on_every_version() -> None:
    base, embedded, dev = (pins(HOME / f"requirements/{name}.txt") for name in ("base", "embedded", "dev"))

    assert base < embedded < dev
