"""The command line: options, errors and exit statuses."""

from pipelines.cli.app import main

__all__ = ["main"]
