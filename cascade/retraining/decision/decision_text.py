"""The text of a decision: one sentence, and the table of its reasons."""

from __future__ import annotations

from collections.abc import Sequence

from cascade.retraining.decision.reasons import Reason

NAMED = 3
HEAD = ("guard", "label", "champion", "challenger", "difference", "margin", "verdict", "reason")


def words(answer: str, reasons: Sequence[Reason]) -> str:
    """Return one sentence: what to do with a challenger, and why."""
    wanted, rest = reasons[0], reasons[1:]
    if answer == "promote":
        # Named even in a promotion: a rare label may have become worse without a guard.
        unjudged = [reason.label for reason in rest if reason.verdict == "not judged" and reason.label]
        but = f"; not judged: {_listed(unjudged)}" if unjudged else ""
        return f"Promote: {wanted.sentence[:-1]}; no guard fails{but}."
    failed = [reason for reason in rest if reason.verdict == "failed"]
    if answer == "keep":
        # Guards of a challenger that is not better are of no interest.
        first = [wanted.sentence] if wanted.verdict == "failed" else [reason.sentence for reason in failed]
        return f"Keep the champion: {_first(first)}"
    return f"Ask: {_first([reason.sentence for reason in rest if reason.verdict == 'open'])}"


def first_words(answer: str, reasons: Sequence[Reason]) -> str:
    """Return one sentence on a first model, which has no champion to be compared with."""
    if answer == "promote":
        return f"Promote: there is no champion, and the model beats chance: AUROC {reasons[0].challenger:.3f}."
    if answer == "keep":
        return "Serve no model: it is not shown to be better than chance; do features and labels belong together?"
    return f"Ask: {_first([reason.sentence for reason in reasons if reason.verdict == 'open'])}"


def _first(sentences: Sequence[str]) -> str:
    more = f" (and {len(sentences) - 1} more reasons)" if len(sentences) > 1 else ""
    return sentences[0].rstrip(".") + more + "."


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def table(reasons: Sequence[Reason], sentence: str) -> str:
    """Return reasons as a Markdown table, with the sentence below."""
    lines = ["| " + " | ".join(HEAD) + " |", "|" + "---|" * len(HEAD)]
    lines += ["| " + " | ".join(_cells(reason)) + " |" for reason in reasons]
    return "\n".join([*lines, "", sentence])


def _cells(reason: Reason) -> list[str]:
    difference = _number(reason.difference, "{:+.3f}")
    if reason.low is not None and reason.high is not None:
        difference += f" ({reason.low:+.3f} to {reason.high:+.3f})"
    figures = [_number(reason.champion, "{:.4g}"), _number(reason.challenger, "{:.4g}"), difference]
    limit = _number(reason.margin, "> {:g}")
    return [reason.guard, reason.label or "all", *figures, limit, reason.verdict, reason.sentence]


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else form.format(value)
