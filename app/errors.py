"""Errors that name the command that helps, and what a person must accept before the work goes on."""

from typing import ClassVar


class Explained(Exception):
    """An error with a command that helps; `{pipeline}` in it stands for the name of the pipeline that failed.

    `decision`: what an operator must accept (see `./scripts/accept`); None: to try again may help.
    """

    help: ClassVar[str]
    decision: ClassVar[str | None] = None
