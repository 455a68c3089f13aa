r"""Comments whose labels were drawn from a known function of their text.

A comment is cut into sentences. A made-up marker counts with its weight, times a factor of its sentence: less without
"you", little in a negation or a quotation, more in capitals. With s_f, the sum over the markers of family f, s, the sum
over all families, and e and t, the numbers of exclamation marks and of "thanks" or "please" (both up to 3):

    p(toxic)        = expit(-6 + 4.5 s + 0.3 e - 0.6 t)
    p(severe_toxic) = p(toxic) expit(-4.5 + 1.2 s)
    p(label)        = expit(b + 6 s_f + 0.3 e)        for obscene, threat, insult and identity_hate

Given the text, labels are independent, except that `severe_toxic` implies `toxic`. A bag of words finds the markers. It
does not see which sentence has "you", "not" or a quotation, since other sentences have these words as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from random import Random

import numpy as np
from scipy.special import expit

from cascade.data.labels import Labels
from cascade.datasets.samples.comments import DISGUISE, compose
from cascade.datasets.samples.vocabulary import FAMILIES, MARKERS
from cascade.utils.types import Floats

LABEL_NAMES = ("toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate")
COLUMNS = ("id", "thread", "comment_text", *LABEL_NAMES)

BLOCK = 10_000
"""Comments in memory at a time."""

WEIGHT = {marker: weight for markers in MARKERS.values() for marker, weight in markers.items()}
FAMILY = {marker: FAMILIES.index(family) for family, markers in MARKERS.items() for marker in markers}
MARKER = re.compile(rf"\b(?:{'|'.join(WEIGHT)})\b")
SENTENCE = re.compile(r"[^.!?\n]+")
NEGATION = re.compile(r"\b(?:not|no|never|nobody)\b")
ADDRESS = re.compile(r"\byou\b")
POLITE = re.compile(r"\b(?:thanks|please)\b")
PLAIN_LETTERS = str.maketrans({sign: chr(letter) for letter, sign in ((k, chr(v)) for k, v in DISGUISE.items())})

QUOTED, NEGATED, NOT_ADDRESSED, SHOUTED = 0.2, 0.2, 0.5, 1.4
"""Factors of a sentence on the weights of its markers."""

TOXIC = (-6.0, 4.5, 0.3, -0.6)
"""Intercept, and slopes of s, exclamation marks and politeness."""
SEVERE = (-4.5, 1.2)
INTERCEPT = np.array([-7.5, -8.0, -7.2, -7.5])
"""Intercepts of the last four labels."""
OWN_SLOPE, EXCLAMATION_SLOPE = 6.0, 0.3


@dataclass(frozen=True)
class Comments:
    """Comments with labels and the probabilities that these were drawn from.

    Attributes
    ----------
    ids : list of str
    threads : list of str
        Groups: the comments of a thread have one topic, and heated threads have more markers.
    texts : list of str
    Y : ndarray of 0/1, shape (n, 6)
    p : ndarray of float, shape (n, 6)
        p(y_k | text), `true_proba` of the texts.
    """

    ids: list[str]
    threads: list[str]
    texts: list[str]
    Y: Labels
    p: Floats


def draw(n: int, seed: int) -> Comments:
    """Draw `n` comments; the same seed gives the same comments.

    Examples
    --------
    >>> comments = draw(2000, seed=0)
    >>> expected = comments.p.sum(axis=0)
    >>> bool(np.all(abs(comments.Y.sum(axis=0) - expected) < 4 * np.sqrt(expected)))
    True
    """
    blocks = list(draw_blocks(n, seed))
    return Comments(
        [one for block in blocks for one in block.ids],
        [one for block in blocks for one in block.threads],
        [one for block in blocks for one in block.texts],
        np.concatenate([block.Y for block in blocks]),
        np.concatenate([block.p for block in blocks]),
    )


def draw_blocks(n: int, seed: int) -> Iterator[Comments]:
    """Yield the comments of `draw` in blocks, so that millions of them fit in memory."""
    rng = np.random.default_rng(seed)
    comments = compose(n, Random(seed))
    start = 0
    while block := list(islice(comments, BLOCK)):
        texts = [comment.text for comment in block]
        p = true_proba(texts)
        ids = [f"c{start + row:07d}" for row in range(len(block))]
        yield Comments(ids, [comment.thread for comment in block], texts, _draw_labels(p, rng), p)
        start += len(block)


def table(block: Comments) -> Iterator[list[object]]:
    """Yield one row per comment, with the values of `COLUMNS`."""
    for row in zip(block.ids, block.threads, block.texts, block.Y.tolist(), strict=True):
        yield [*row[:3], *row[3]]


def true_proba(texts: Sequence[str]) -> Floats:
    """Return p(y_k | text) of the six labels, float of shape (n, 6).

    Examples
    --------
    >>> you, quoted, thing = true_proba(["You are such a wozzle.", 'He said "you are such a wozzle".', "A new saddle."])
    >>> [round(float(p[0]), 2) for p in (you, quoted, thing)]
    [0.77, 0.01, 0.0]
    """
    sums = np.array([_sums(text) for text in texts]).reshape(-1, len(FAMILIES))
    marks = np.array([min(text.count("!"), 3) for text in texts], dtype=np.float64)
    polite = np.array([min(len(POLITE.findall(text.lower())), 3) for text in texts], dtype=np.float64)
    total = sums.sum(axis=1)
    toxic = expit(TOXIC[0] + TOXIC[1] * total + TOXIC[2] * marks + TOXIC[3] * polite)
    severe = toxic * expit(SEVERE[0] + SEVERE[1] * total)
    others = expit(INTERCEPT + OWN_SLOPE * sums[:, 1:] + EXCLAMATION_SLOPE * marks[:, None])
    return np.column_stack([toxic, severe, others])


def _sums(text: str) -> Floats:
    """Return the summed weights of a comment's markers, one per family."""
    sums = np.zeros(len(FAMILIES))
    # Most comments have no marker: one search is enough for them.
    if not MARKER.search(text.lower().translate(PLAIN_LETTERS)):
        return sums
    for sentence in SENTENCE.findall(text):
        plain = sentence.lower().translate(PLAIN_LETTERS)
        for marker in MARKER.findall(plain):
            sums[FAMILY[marker]] += WEIGHT[marker] * _factor(sentence, plain)
    return sums


def _factor(sentence: str, plain: str) -> float:
    factor = SHOUTED if sentence.isupper() else 1.0
    if sentence.lstrip().startswith(">") or '"' in sentence:
        factor *= QUOTED
    if NEGATION.search(plain):
        factor *= NEGATED
    return factor if ADDRESS.search(plain) else factor * NOT_ADDRESSED


def _draw_labels(p: Floats, rng: np.random.Generator) -> Labels:
    # One row of numbers per comment, so that labels do not depend on the size of a block.
    uniform = rng.random((len(p), len(LABEL_NAMES) + 1))
    Y = (uniform[:, :-1] < p).astype(np.uint8)
    # Severe comments are drawn among the toxic ones: p(severe | toxic) is the quotient of both.
    Y[:, 1] = Y[:, 0] & (uniform[:, -1] < p[:, 1] / p[:, 0])
    return Y
