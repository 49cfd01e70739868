"""Points readers back to the version before the published one."""

from app.job import connected, job
from app.ledger import Ledger
from app.model import Pipeline
from app.postgres import Role
from app.settings import settings
from app.versions import Versions


@job("rollback")
def main(pipelines: list[Pipeline]) -> None:
    (pipeline,) = pipelines
    with connected(settings(), Role.BATCH) as connect:
        version = Versions(Ledger(connect(), pipeline)).rollback()
    print(f"{pipeline.name}: readers see version {version.version} again")


if __name__ == "__main__":
    main()
