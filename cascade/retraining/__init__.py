"""The judgement of a retraining: may the data be used, and may the challenger take the champion's place."""

from __future__ import annotations
