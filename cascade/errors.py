"""Which errors can a user meet? Each has the exit status that the command line returns."""

from __future__ import annotations


class CascadeError(Exception):
    """Base of the errors that end in one sentence instead of a traceback."""

    exit_status = 1


class ConfigError(CascadeError, ValueError):
    """A config file or an option is wrong."""

    exit_status = 2


class MissingExtraError(ConfigError, ImportError):
    """An optional part of the installation is needed and not there."""


class DataError(CascadeError, ValueError):
    """The data cannot be used as it is; the sentence names file, row and column."""

    exit_status = 3


class ModelRefusedError(CascadeError, ValueError):
    """A model cannot be saved or loaded safely."""

    exit_status = 4


class RegistryError(CascadeError):
    """The registry cannot be reached, or does not do what it was asked for."""


class CertificateError(CascadeError, ValueError):
    """The rows cannot prove what was asked for: finished, but the answer is no."""

    exit_status = 5


class BusyError(CascadeError):
    """Another process holds the output."""

    exit_status = 75
