"""The passwords of the containers, made once: each is put into the volume of every service that needs it, mode 0600.

python -m cluster.passwords              makes those that are missing
python -m cluster.passwords give NAME    takes one from standard input, in place of one that was made
"""

import os
import secrets
import sys
from pathlib import Path

from app.postgres import Role, WeakPassword, require_strong

ROOT = Path("/passwords")  # a volume a folder
ALL = "all"  # the volume that has them all: the others hold copies
POSTGRES = "postgres"  # the administrator
SQL = "tidemark_sql"  # the user of HiveServer2, who has the default name
SPARK = "spark"  # what the processes of the Spark cluster share
PGADMIN = "pgadmin"
STARTED = "started"  # a file beside the passwords: from then on, servers have them
ADMINISTRATORS = (POSTGRES, PGADMIN)  # whose servers take their password once, when their data is made
API = "api_token"  # what the API asks for where API_TOKENS names it
# Who gets what.
VOLUMES = {
    ALL: (POSTGRES, *Role, SQL, SPARK, PGADMIN, API),
    "postgres": (POSTGRES, Role.READ),
    "jobs": (Role.BATCH, Role.SPEED, Role.READ, SPARK),
    "spark": (SPARK,),
    "metastore": (Role.METASTORE,),
    "sql": (SQL,),
    "api": (Role.READ, SQL, API),
    "dashboard": (API,),
    "pgadmin": (Role.READ, PGADMIN),
}


class InUse(Exception):
    """A password that a server already has cannot be given."""


def make(root: Path = ROOT) -> None:
    """Makes each password that is missing, and brings every volume to hold its own and no other.

    Raises:
        WeakPassword: one that was given before is not fit to be one.
    """
    source = root / ALL
    for name in VOLUMES[ALL]:
        path = source / name
        if not path.exists():
            _write(path, secrets.token_urlsafe(32))
        require_strong(name, path.read_text())
    for volume, names in VOLUMES.items():
        for name in names:
            if volume != ALL:
                _write(root / volume / name, (source / name).read_text())
        for path in (root / volume).iterdir():
            if path.name not in names and path != source / STARTED:
                path.unlink()


def start(root: Path = ROOT) -> None:
    """Makes the passwords, as servers are about to take them. Raises what `make` raises."""
    make(root)
    (root / ALL / STARTED).touch()


def give(name: str, value: str, root: Path = ROOT) -> None:
    """Takes a password in place of one that is made. Services learn of it when they are started.

    Raises:
        WeakPassword: it is not fit to be one.
        KeyError: there is no password of that name.
        InUse: it is that of an administrator whose server already has the one that was made.
    """
    if name not in VOLUMES[ALL]:
        raise KeyError(f"no password is called {name!r}; there are: {', '.join(VOLUMES[ALL])}")
    if name in ADMINISTRATORS and (root / ALL / STARTED).exists():
        raise InUse(
            f"the server of {name} has taken its password at the first start, and knows no other; one can be given "
            "before the first start, or after ./scripts/down --forget-data"
        )
    require_strong(name, value)
    _write(root / ALL / name, value)
    make(root)


def _write(path: Path, value: str) -> None:
    """Whole or not at all."""
    unfinished = path.with_name(f".{path.name}")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(value)
    unfinished.rename(path)


def main() -> None:
    try:
        match sys.argv[1:]:
            case []:
                start()
            case ["give", name]:
                give(name, sys.stdin.read().strip())
            case _:
                sys.exit("usage: python -m cluster.passwords [give NAME < FILE]")
    except (InUse, WeakPassword) as error:
        sys.exit(f"Error: {error}")
    except KeyError as error:
        sys.exit(f"Error: {error.args[0]}")


if __name__ == "__main__":
    main()
