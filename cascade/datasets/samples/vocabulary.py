"""Words and sentences that the comments of the moderation sample are composed of; all abusive words are made up."""

from __future__ import annotations

FAMILIES = ("slur", "oath", "menace", "taunt", "kin")
"""Groups of made-up markers; all of them count for `toxic`, and each but the first for one more label."""

MARKERS: dict[str, dict[str, float]] = {
    "slur": {
        "blorp": 1.4,
        "snarfle": 1.2,
        "gribble": 1.0,
        "wozzle": 1.6,
        "mumph": 0.8,
        "frobnak": 1.8,
        "tweezle": 0.6,
        "quonk": 1.3,
    },
    "oath": {
        "drazz": 1.5,
        "florbing": 1.1,
        "skibbed": 1.3,
        "plonkish": 0.8,
        "grozzed": 1.7,
        "zarking": 1.2,
        "smeggle": 0.9,
        "hurgle": 1.4,
    },
    "menace": {
        "vorple": 1.7,
        "krunge": 1.5,
        "squelk": 1.2,
        "thwump": 1.8,
        "grundle": 1.0,
        "splonk": 1.4,
    },
    "taunt": {
        "noodlewit": 1.6,
        "wafflepate": 1.4,
        "dunderbean": 1.2,
        "clotspoon": 1.5,
        "gabblor": 0.9,
        "pillowbrain": 1.1,
        "mugwimp": 1.7,
        "twaddlor": 0.7,
    },
    "kin": {
        "zorbling": 1.6,
        "moonfolker": 1.3,
        "glarbon": 1.7,
        "tidewalker": 1.0,
        "underhiller": 1.2,
        "vexling": 1.5,
    },
}
"""Each family's markers with their weight in the true log-odds."""

# Each template has one sentence and one marker. Whether it has "you", "not" or a quotation decides how much the marker
# counts, see `moderation.py`.
MARKED: dict[str, tuple[str, ...]] = {
    "slur": (
        "you are such a {m}",
        "your edit is pure {m}",
        "this whole page is {m}",
        "only a {m} would write about the {noun} like that",
        "I do not think this {noun} is {m}",
        'the first version said "what a {m}" and it was removed',
        "honestly, {m}, read your own sources",
    ),
    "oath": (
        "you {m} spoiled the {noun} again",
        "what a {m} mess, {name}",
        "the {adjective} {noun} is {m} broken",
        "stop sending your {m} links, you",
        "I have never called it a {m} {noun}",
        'he only said "{m}" after the {noun} fell down',
    ),
    "menace": (
        "I will {m} you tomorrow",
        "we know where you live and we will {m} you",
        "someone should {m} that {noun}",
        "do not {m} the {noun}, it is {adjective}",
        'the villain shouts "I will {m} you" in the second act',
        "{name} used to {m} every {noun}",
    ),
    "taunt": (
        "you are a {m}, {name}",
        "only you could be such a {m}",
        "you {m}, that is not even a {noun}",
        "my old {noun} was a {m} as well",
        "nobody here is a {m}, really",
        'somebody wrote "{m}" under the photo of the {noun}',
    ),
    "kin": (
        "you people are all the same, every {m} of you",
        "a {m} like you must leave this forum",
        "no {m} ever understood a {noun}",
        "my neighbour is a {m} and bakes {adjective} bread",
        'the article explains where the word "{m}" comes from',
        "being a {m} is not a reason to hide, {name}",
    ),
}

PLAIN: tuple[str, ...] = (
    "the {noun} looks {adjective} to me",
    "have you tried the {adjective} {noun}, {name}?",
    "I do not agree with the second paragraph, the {noun} was {adjective}",
    "thanks for the {noun}, it was {adjective}",
    "please add a source for the {noun}",
    'the manual calls it a "{noun}", I would say {noun}',
    "you can find the {noun} under the {noun}, next to the {adjective} one",
    "in {year} the {noun} cost {number} euros, which is {adjective}",
    "never buy a {noun} without a {noun}",
    "I {verb} the {noun} every morning, and my {noun} too",
    "{name} and {name} {verb} the {adjective} {noun} together",
    "is the {noun} really {number} years old?",
    "not sure about the {noun}, but your {noun} is {adjective}",
    "we will {verb} it again at {number}:30, with a {adjective} {noun}",
    "see https://example.org/{noun}?id={number}&page=2 for the {noun}",
    "edit: fixed a typo; the {noun} is {adjective}, not {adjective}",
    "well... the {noun}, the {noun} and the rest (all {adjective})",
    'quote from {name}: "nobody can {verb} a {noun} in {number} minutes"',
    "somebody should {verb} the {noun} before winter",
    "your {noun} needs a {adjective} {noun}, that is all",
)

FOREIGN: tuple[str, ...] = (
    "das {noun} ist für mich zu groß, schöne Grüße aus München",
    "je préfère le {noun} de l'été dernier, ça marche très bien",
    "¿dónde está el {noun}? mañana lo miro, señor",
    "bu {noun} çok güzel, teşekkür ederim",
    "ten {noun} jest zupełnie nowy, dziękuję",
    "この{noun}はとても良いです",
    "это очень хороший {noun}, спасибо",
    "هذا جيد جدا",
    "το {noun} είναι πολύ καλό",
    "这个{noun}很好, 谢谢",
)

NAMES: tuple[str, ...] = (
    "Zoë", "Łukasz", "Şebnem", "Anna", "Björn", "Chloé", "José", "田中", "Mia", "O'Brien", "Priya", "Sam", "Nguyễn",
)  # fmt: skip

EMOJI: tuple[str, ...] = ("😀", "👍🏽", "🤔", "🎉", "😡", "❤️", "👩‍🔬", "🇫🇷", "🙄", "✨")

TOPICS: tuple[tuple[str, ...], ...] = (
    ("bicycle", "saddle", "chain", "helmet", "pedal", "tyre", "gear", "basket"),
    ("dough", "oven", "yeast", "pan", "soup", "lemon", "recipe", "whisk"),
    ("telescope", "comet", "lens", "eclipse", "crater", "orbit", "tripod", "nebula"),
    ("tomato", "compost", "spade", "seedling", "hedge", "slug", "greenhouse", "tulip"),
    ("footnote", "archive", "chapter", "citation", "map", "treaty", "census", "portrait"),
    ("server", "kernel", "parser", "backup", "cable", "driver", "login", "patch"),
    ("piano", "chord", "melody", "drum", "choir", "score", "encore", "viola"),
    ("harbour", "ferry", "anchor", "tide", "lighthouse", "rope", "sail", "pier"),
)
"""Nouns of a thread's topic."""

VERBS: tuple[str, ...] = ("clean", "check", "carry", "paint", "watch", "repair", "measure", "draw", "test", "sort")

ADJECTIVES: tuple[str, ...] = (
    "small", "heavy", "excellent", "rusty", "quiet", "new", "broken", "green", "cheap", "famous", "round", "late",
)  # fmt: skip
