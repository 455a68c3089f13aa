"""The command line: options, errors and exit statuses."""

from .app import main

__all__ = ["main"]
