"""Compose comments from templates: threads with a topic, some heated, in the punctuation and scripts of a forum."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

from cascade.datasets.samples.vocabulary import (
    ADJECTIVES,
    EMOJI,
    FAMILIES,
    FOREIGN,
    MARKED,
    MARKERS,
    NAMES,
    PLAIN,
    TOPICS,
    VERBS,
)

HEATED = 0.25
"""Share of threads in which markers are frequent."""
MARKED_SHARE = {True: 0.5, False: 0.08}
"""Share of comments with a marker, in heated and in other threads."""
FAMILY_WEIGHTS = (34, 26, 7, 26, 9)
DISGUISED = 0.15
"""Share of markers in which letters are replaced by digits or signs."""
DISGUISE = str.maketrans("oae", "0@3")
FIELD = re.compile(r"\{(\w+)\}")
WORDS: dict[str, Sequence[object]] = {
    "adjective": ADJECTIVES,
    "name": NAMES,
    "number": range(10, 24),
    "verb": VERBS,
    "year": range(1890, 2026),
}
"""What a template's fields are filled with, beside the nouns of the topic and the marker."""
SEPARATORS = (" ", " ", " ", " ", "\n", "\n\n")


@dataclass(frozen=True)
class Comment:
    """One comment: its thread and its text."""

    thread: str
    text: str


def compose(n: int, random: Random) -> Iterator[Comment]:
    """Yield `n` comments, thread by thread.

    Examples
    --------
    >>> comments = list(compose(50, Random(0)))
    >>> len(comments), len({comment.thread for comment in comments}) < 30
    (50, True)
    """
    written = number = 0
    while written < n:
        number += 1
        nouns, heated = random.choice(TOPICS), random.random() < HEATED
        # Short threads are the most frequent; the mean is about 4 comments.
        size = min(1 + int(random.expovariate(0.3)), n - written)
        for _ in range(size):
            yield Comment(f"t{number:06d}", _text(nouns, heated, random))
        written += size


def _text(nouns: tuple[str, ...], heated: bool, random: Random) -> str:
    sentences = [_sentence(_plain(random), nouns, random) for _ in range(1 + int(random.expovariate(0.5)))]
    if random.random() < MARKED_SHARE[heated]:
        # A comment repeats its families: labels are on together more often than apart.
        families = random.choices(FAMILIES, FAMILY_WEIGHTS, k=2)
        number = 1 + int(random.expovariate(0.9))
        sentences += [_marked(random.choice(families), nouns, heated, random) for _ in range(number)]
    random.shuffle(sentences)
    parts = [f"{sentence}{random.choice(SEPARATORS)}" for sentence in sentences]
    if random.random() < 0.12:
        parts.append(random.choice(EMOJI) * random.randint(1, 3))
    return "".join(parts).strip()


def _plain(random: Random) -> str:
    return random.choice(FOREIGN if random.random() < 0.06 else PLAIN)


def _marked(family: str, nouns: tuple[str, ...], heated: bool, random: Random) -> str:
    # Frequencies fall with the rank of a word, as in a language, so that some markers are rare.
    marker = list(MARKERS[family])[min(int(random.expovariate(0.5)), len(MARKERS[family]) - 1)]
    if random.random() < DISGUISED:
        marker = marker.translate(DISGUISE)
    sentence = _sentence(random.choice(MARKED[family]), nouns, random, marker)
    if random.random() < 0.08:
        return f"\n> {sentence}\n"
    return sentence.upper() if random.random() < (0.25 if heated else 0.08) else sentence


def _sentence(template: str, nouns: tuple[str, ...], random: Random, marker: str = "") -> str:
    words: dict[str, Sequence[object]] = {"noun": nouns, "m": (marker,), **WORDS}
    sentence = FIELD.sub(lambda field: str(random.choice(words[field[1]])), template)
    # An address keeps its case.
    first = sentence if "http" in sentence else sentence[:1].upper() + sentence[1:]
    if sentence.endswith("?"):
        return first
    return first + random.choices((".", "!", "!!", "?!"), (80, 12, 5, 3))[0]
