"""Which errors can a user meet? Each has the exit status that the command line returns."""

from __future__ import annotations


class CascadeError(Exception):
    """Base class of errors that the command line prints as one sentence, without a traceback."""

    exit_status = 1


class ConfigError(CascadeError, ValueError):
    """A config file or an option is invalid."""

    # The status that argparse and most other parsers return for invalid options.
    exit_status = 2


class MissingExtraError(ConfigError, ImportError):
    """A required extra of the package is not installed."""


class RuntimeUnavailableError(ConfigError):
    """A requested runtime is not installed, or a model has no network for it."""


class DataError(CascadeError, ValueError):
    """The data is invalid; the message names file, row and column."""

    exit_status = 3


class ModelRefusedError(CascadeError, ValueError):
    """A model cannot be saved or loaded safely."""

    exit_status = 4


class RegistryError(CascadeError):
    """The registry cannot be reached, or refuses a request."""


class CertificateError(CascadeError, ValueError):
    """The rows cannot prove the requested guarantee, though the computation finished."""

    exit_status = 5


class BusyError(CascadeError):
    """Another process is writing the output."""

    # EX_TEMPFAIL of sysexits.h: schedulers may try again later.
    exit_status = 75
