"""What can be typed? Options, errors and exit statuses of the command line."""

from .app import main

__all__ = ["main"]
