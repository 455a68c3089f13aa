"""Numbers of the tokens of texts, by the library `tokenizers`."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TypeVar

from cascade.errors import ConfigError, MissingExtraError
from cascade.estimators.encoding.texts.tokenizer_file import check_tokenizer, unknown_id_of

T = TypeVar("T")

CHARACTERS = 16
"""Characters per token beyond which a text is cut before it is split, so that the time of a text is bounded."""


class Tokens:
    """Turns texts into the numbers of their first tokens.

    Parameters
    ----------
    content : bytes
        Of a `tokenizer.json`.
    max_length : int
        Most tokens of a text, the special ones included.
    special : bool
        Whether special tokens, such as those of the beginning and the end, are added.

    Attributes
    ----------
    unknown_id : int or None
    n_ids : int
        All numbers are below this one.

    Raises
    ------
    ConfigError
        If it is no tokenizer, or one with a part that is not listed.
    MissingExtraError
        If the library is not installed.
    """

    def __init__(self, content: bytes, max_length: int, special: bool) -> None:
        try:
            from tokenizers import Tokenizer
        except ImportError as error:
            raise MissingExtraError("an encoder of texts needs tokenizers; install the extra `text`.") from error
        declared = check_tokenizer(content)
        self.unknown_id = unknown_id_of(declared)
        self.special, self.max_length = special, max_length
        self._tokenizer = _without_panic(lambda: Tokenizer.from_str(json.dumps(declared, allow_nan=False)))
        _without_panic(lambda: self._tokenizer.enable_truncation(max_length))
        known = self._tokenizer.get_vocab(with_added_tokens=True).values()
        # An empty text has the special tokens alone; the other one shows faults of a part before any real row.
        empty, _ = self(["", "Some text."])
        self.n_ids = 1 + max([*known, *empty])

    def __call__(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the numbers of the tokens of each text."""
        cut = [_encodable(text[: CHARACTERS * self.max_length]) for text in texts]
        encodings = _without_panic(lambda: self._tokenizer.encode_batch_fast(cut, add_special_tokens=self.special))
        return [encoding.ids for encoding in encodings]


def _encodable(text: str) -> str:
    """Return a text with ? in the place of halves of characters, which JSON may hold and UTF-8 does not."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode(errors="replace").decode()
    return text


def _without_panic(work: Callable[[], T]) -> T:
    """Do some work of the library, whose panics are no `Exception`."""
    try:
        return work()
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        raise ConfigError(
            f"`tokenizer` must be valid for the library tokenizers. Received {str(error)[:100]}."
        ) from error
