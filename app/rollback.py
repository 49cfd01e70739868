"""Points readers back to the version before the published one."""

import click

from app.job import connected, job, pipelines_argument
from app.ledger import Ledger
from app.model import Pipeline
from app.postgres import Role
from app.settings import settings


@click.command()
@pipelines_argument
@job
def main(pipelines: list[Pipeline]) -> None:
    """Roll PIPELINES back to the version before the published one, which is withdrawn."""
    if len(pipelines) != 1:
        raise click.UsageError("name one pipeline")
    with connected(settings(), Role.BATCH) as connect:
        version = Ledger(connect(), pipelines[0]).rollback()
    click.echo(f"{pipelines[0].name}: readers see version {version.version} again")


if __name__ == "__main__":
    main()
