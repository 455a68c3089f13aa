"""Check a `tokenizer.json` before the library `tokenizers` parses it: listed parts, and bounded sizes and growth."""

from __future__ import annotations

import base64
import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from cascade.errors import ConfigError

LARGEST = 64 * 2**20
"""Bytes; the largest tokenizers of public encoders have half of it."""
MOST_TOKENS = 2**24
MOST_ADDED = 2**16
MOST_PARTS = 32
LONGEST = 1000
"""Characters of a pattern or of a token's affix, and characters of a word up to which WordPiece looks for pieces."""
MOST_GROWTH = 16
"""Times the length of a text that replacements may give."""
LONGEST_PIECE = 64
"""Bytes that a compiled table may put in the place of a character."""
MOST_REPEATS = 3
"""Repetitions within one alternative of a pattern, whose time is a polynomial of this degree."""

MODELS = ("WordPiece", "WordLevel", "BPE", "Unigram")
NORMALIZERS = (
    *("Sequence", "BertNormalizer", "Lowercase", "NFC", "NFD", "NFKC", "NFKD", "Nmt", "Prepend", "Replace", "Strip"),
    *("StripAccents", "ByteLevel", "Precompiled"),
)
PRE_TOKENIZERS = (
    *("Sequence", "BertPreTokenizer", "ByteLevel", "CharDelimiterSplit", "Digits", "Metaspace", "Punctuation"),
    *("Split", "UnicodeScripts", "Whitespace", "WhitespaceSplit"),
)
POST_PROCESSORS = ("Sequence", "BertProcessing", "ByteLevel", "RobertaProcessing", "TemplateProcessing")
PARTS = {"normalizer": NORMALIZERS, "pre_tokenizer": PRE_TOKENIZERS, "post_processor": POST_PROCESSORS}
INNER = {"normalizer": "normalizers", "pre_tokenizer": "pretokenizers", "post_processor": "processors"}
REPEATED = ("Sequence", "Replace", "Split")
"""Parts that may occur twice. The others would only repeat their effect, and some would double a text each time."""

Part = dict[str, Any]


def check_tokenizer(content: bytes) -> Part:
    """Return what a `tokenizer.json` declares, without padding, truncation, dropout and decoder.

    Raises
    ------
    ConfigError
        If it is larger than any tokenizer, is not JSON, or has a part that is not listed or out of bounds.
    """
    if len(content) > LARGEST:
        raise _refused(f"have at most {LARGEST} bytes", len(content))
    try:
        declared: Part = json.loads(content)
        _check(declared)
    except ConfigError:
        raise
    # A file from elsewhere can be invalid in any way.
    except Exception as error:
        raise _refused("be a tokenizer.json of the library tokenizers", f"{type(error).__name__}: {error}") from error
    model = {name: value for name, value in declared["model"].items() if name != "dropout"}
    return declared | {"model": model, "padding": None, "truncation": None, "decoder": None}


def unknown_id_of(declared: Part) -> int | None:
    """Return the number of the token that stands in for unknown words; None if there is none."""
    model = declared["model"]
    if "unk_id" in model:
        return None if model["unk_id"] is None else int(model["unk_id"])
    return dict(_tokens(declared)).get(str(model.get("unk_token")))


def _check(declared: Part) -> None:
    if not isinstance(declared, dict) or declared["model"].get("type", "BPE") not in MODELS:
        raise _refused(f"have a model of {', '.join(MODELS)}", "another one")
    _check_tokens(declared)
    for section, known in PARTS.items():
        parts = list(_parts(declared.get(section), INNER[section], 0))
        for part in parts:
            if part.get("type") not in known:
                raise _refused(f"have a listed {section}", part.get("type"))
            _check_part(part)
        counts = Counter(part["type"] for part in parts)
        twice = next((kind for kind, count in counts.items() if count > 1 and kind not in REPEATED), None)
        if twice is not None or len(parts) > MOST_PARTS:
            raise _refused(f"have each {section} once, and at most {MOST_PARTS}", twice or len(parts))
        _check_growth(parts)


def _check_tokens(declared: Part) -> None:
    model, added = declared["model"], declared.get("added_tokens") or []
    numbers = [number for _, number in _tokens(declared)]
    sound = (
        0 < len(numbers) <= MOST_TOKENS
        and len(added) <= MOST_ADDED
        and all(type(number) is int and 0 <= number < MOST_TOKENS for number in numbers)
        and all(isinstance(each["content"], str) and each["content"] for each in added)
        and 0 <= int(model.get("max_input_chars_per_word") or 0) <= LONGEST
        and all(_is_short(model.get(name)) for name in ("unk_token", "continuing_subword_prefix", "end_of_word_suffix"))
    )
    if not sound:
        raise _refused(f"have tokens of the numbers 0 to {MOST_TOKENS - 1}", "others, or options out of bounds")


def _tokens(declared: Part) -> Iterator[tuple[str, Any]]:
    """Yield the tokens and their numbers: a list has the scores of tokens, in the order of their numbers."""
    vocabulary = declared["model"]["vocab"]
    if isinstance(vocabulary, dict):
        yield from vocabulary.items()
    else:
        yield from ((token, number) for number, (token, _) in enumerate(vocabulary))
    yield from ((each["content"], each["id"]) for each in declared.get("added_tokens") or [])


def _parts(part: Any, inner: str, depth: int) -> Iterator[Part]:
    if part is None:
        return
    if not isinstance(part, dict) or depth > 4:
        raise _refused("have parts that are objects, and sequences of them", part)
    yield part
    for each in part.get(inner) or []:
        yield from _parts(each, inner, depth + 1)


def _check_part(part: Part) -> None:
    pattern = part.get("pattern")
    if isinstance(pattern, dict):
        for kind, text in pattern.items():
            if not _is_short(text) or not text or (kind == "Regex" and not _is_quick(text)):
                raise _refused("have patterns without a repetition inside of a repetition", text)
    if not all(_is_short(part.get(name)) for name in ("content", "prepend", "replacement", "prepend_scheme")):
        raise _refused(f"have texts of at most {LONGEST} characters in its parts", "longer ones")
    if part["type"] == "Precompiled":
        _check_compiled(base64.b64decode(part["precompiled_charsmap"] or "", validate=True))
    pieces = part.get("single") or []
    ids = [number for each in (part.get("special_tokens") or {}).values() for number in each["ids"]]
    if len(pieces) > MOST_GROWTH or len(ids) > MOST_GROWTH:
        raise _refused(f"have a template of at most {MOST_GROWTH} tokens", max(len(pieces), len(ids)))


def _check_compiled(table: bytes) -> None:
    """Check the table of replaced characters: the size of a search tree, the tree, and texts that end in a 0."""
    start = 4 + int.from_bytes(table[:4], "little")
    if start > len(table) or max(map(len, table[start:].split(b"\0"))) > LONGEST_PIECE:
        raise _refused(f"replace a character by at most {LONGEST_PIECE} bytes", "a table that does not")


def _check_growth(parts: list[Part]) -> None:
    growth = 1
    for part in parts:
        if part["type"] == "Replace":
            growth *= max(1, len(part.get("content") or ""))
        elif part["type"] == "Prepend":
            growth += len(part.get("prepend") or "")
    if growth > MOST_GROWTH:
        raise _refused(f"replace a text by one of at most {MOST_GROWTH} times its length", growth)


def _is_quick(pattern: str) -> bool:
    r"""Return whether a regular expression repeats no group, refers to none, and has few repetitions in a row.

    Examples
    --------
    >>> _is_quick(r"'s|'t|\p{N}{1,3}| ?\p{L}+|\s+(?!\S)"), _is_quick("(a+)+$"), _is_quick("a*a*a*a*b")
    (True, False, False)
    """
    bare = re.sub(r"\[(?:\\.|[^\]\\])*\]", "x", pattern)
    grouped = re.search(r"\)(?:[*+]|\{)|\\[1-9kg]|\(\?P=|\(\?&", bare)
    counts = (len(re.findall(r"(?<!\\)[*+]|\{\d*,\d*\}", each)) for each in bare.split("|"))
    return not grouped and max(counts) <= MOST_REPEATS and all(int(n) <= LONGEST for n in re.findall(r"\d+", bare))


def _is_short(value: Any) -> bool:
    return value is None or (isinstance(value, str) and len(value) <= LONGEST)


def _refused(rule: str, received: Any) -> ConfigError:
    return ConfigError(f"`tokenizer` must {rule}. Received {str(received)[:100]}.")
