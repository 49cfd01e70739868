"""Passwords of the containers: made once, each where it is needed, and none that anyone could guess."""

import re
import stat
from pathlib import Path

import pytest

from app.postgres import WeakPassword, require_strong
from app.settings import HOME, Settings
from cluster.passwords import SQL, VOLUMES, InUse, give, make, start


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder for each volume, all empty."""
    for volume in VOLUMES:
        (tmp_path / volume).mkdir()
    return tmp_path


def held(root: Path) -> dict[str, dict[str, str]]:
    """The content of each file of each volume."""
    return {volume.name: {file.name: file.read_text() for file in volume.iterdir()} for volume in root.iterdir()}


def test_each_volume_is_mounted_on_a_folder_that_the_image_has() -> None:
    compose = (HOME / "docker-compose.yml").read_text()
    made = re.findall(r"/passwords/(\w+)", (HOME / "docker/Dockerfile").read_text())

    assert sorted(made) == sorted(VOLUMES)
    assert re.findall(r"- passwords-(\w+):/passwords/(\w+)", compose) == [(volume, volume) for volume in VOLUMES]


def test_the_user_of_hiveserver2_is_the_one_that_has_a_password() -> None:
    assert Settings.model_fields["hive_user"].default == SQL
    assert "HIVE_USER" not in (HOME / "docker-compose.yml").read_text()


def test_each_volume_gets_its_passwords_and_no_other(root: Path) -> None:
    make(root)

    found = held(root)
    assert {volume: set(files) for volume, files in found.items()} == {v: set(names) for v, names in VOLUMES.items()}
    assert len(set(found["all"].values())) == len(VOLUMES["all"])
    for files in found.values():
        assert files.items() <= found["all"].items()


def test_no_one_else_can_read_them(root: Path) -> None:
    make(root)

    assert {stat.S_IMODE(file.stat().st_mode) for file in root.glob("*/*")} == {0o600}


def test_they_are_made_once(root: Path) -> None:
    make(root)
    before = held(root)
    make(root)

    assert held(root) == before


def test_one_that_was_cut_short_is_made_again(root: Path) -> None:
    (root / "all/.spark").write_text("half of")
    make(root)

    assert not (root / "all/.spark").exists()
    assert len((root / "all/spark").read_text()) > 30


def test_one_that_a_volume_needs_no_more_goes(root: Path) -> None:
    (root / "api/postgres").write_text("of the administrator")
    make(root)

    assert not (root / "api/postgres").exists()


def test_one_that_is_given_takes_the_place_of_the_one_that_was_made(root: Path) -> None:
    make(root)
    give("tidemark_read", "correct horse battery", root)

    assert {held(root)[volume]["tidemark_read"] for volume in ("all", "api", "jobs", "postgres")} == {
        "correct horse battery"
    }


def test_that_of_an_administrator_is_given_before_the_first_start_alone(root: Path) -> None:
    give("tidemark_read", "correct horse battery", root)
    give("postgres", "battery horse correct", root)
    start(root)
    make(root)

    with pytest.raises(InUse, match=r"the server of postgres has taken its password .* --forget-data"):
        give("postgres", "correct battery horse", root)
    give("tidemark_read", "horse battery correct", root)
    assert held(root)["all"]["postgres"] == "battery horse correct"


def test_a_name_that_there_is_not_is_refused_with_those_there_are(root: Path) -> None:
    with pytest.raises(KeyError, match=r"no password is called 'root'; there are: postgres, .*spark"):
        give("root", "correct horse battery", root)


@pytest.mark.parametrize(
    "weak", ["", "short", "changeme", "password1234", "postgres123456", "tidemark_read1", "Tidemark2026!!"]
)
def test_one_that_anyone_could_guess_is_refused(root: Path, weak: str) -> None:
    make(root)
    before = held(root)

    with pytest.raises(WeakPassword, match=r"password of tidemark_read is well known or has fewer than 12 characters"):
        give("tidemark_read", weak, root)
    assert held(root) == before


def test_one_that_was_put_there_by_hand_is_looked_at_too(root: Path) -> None:
    (root / "all/spark").write_text("spark1234567")

    with pytest.raises(WeakPassword, match="password of spark"):
        make(root)


def test_space_around_a_password_is_not_part_of_it() -> None:
    assert require_strong("postgres", " correct horse battery\n") == "correct horse battery"
