"""Tables on standard output."""

import sys

from rich.console import Console
from rich.table import Table

WIDEST = 10_000  # characters of a line, where there is no terminal whose width it should fit


def show(table: Table) -> None:
    """Prints a table: cut to the width of the terminal, and whole where there is none."""
    Console(width=None if sys.stdout.isatty() else WIDEST).print(table)
