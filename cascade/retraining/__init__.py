"""May this data be used, and may this model serve? Checks, memory and decision of a retraining."""

from __future__ import annotations
