"""What precedes the rows of a text table: comment lines, and a header that is one of them."""

from __future__ import annotations

import re
from itertools import takewhile

from cascade.data.readers.table.csv_records import cells_of

MARK = b"#"
_NUMBER = re.compile(rb"\s*[+-]?[0-9]+\.?[0-9]*\s*")


def without_comments(lines: list[bytes], separator: bytes) -> list[bytes]:
    """Return the first lines of a file from its header on, without the comment lines before it.

    Comments begin with `#`. The last one is the header if it has as many cells as the next line, which holds a number
    or follows names without blanks. A line such as `#id,text` that is alone and has no blank behind its mark is a
    header, and stays as it is.

    Examples
    --------
    >>> without_comments([b"# made by hand", b"# a, b", b"1, 2"], b",")
    [b'a, b', b'1, 2']
    >>> without_comments([b"# made by hand", b"a,b", b"1,2"], b",")
    [b'a,b', b'1,2']
    >>> without_comments([b"#id,a", b"#1,2", b"x,3"], b",")
    [b'#id,a', b'#1,2', b'x,3']
    """
    if not lines[0].startswith(MARK):
        return lines
    n_cells = _n_cells(next((line for line in lines if line and not line.startswith(MARK)), b""), separator)
    before = list(takewhile(lambda line: not line or _is_comment(line, n_cells, separator), lines))
    comments, rest = [line for line in before if line], lines[len(before) :]
    # Identifiers may begin with the mark: where no other line follows, the lines are rows.
    if not comments or not rest:
        return lines
    last = comments[-1].removeprefix(MARK).lstrip(b" ")
    return [last, *rest] if _is_header(last, rest[0], n_cells, separator) else rest


def _is_comment(line: bytes, n_cells: int, separator: bytes) -> bool:
    """Return whether a line has a mark with a blank, or with another number of cells than the table."""
    return line.startswith(MARK) and (line[1:2] in (b" ", b"\t", MARK, b"") or _n_cells(line, separator) != n_cells)


def _n_cells(line: bytes, separator: bytes) -> int:
    return len(cells_of(line, separator, spaced=True) or ())


def _is_header(comment: bytes, following: bytes, n_cells: int, separator: bytes) -> bool:
    if n_cells < 2 or _n_cells(comment, separator) != n_cells:
        return False
    has_number = any(map(_NUMBER.fullmatch, cells_of(following, separator, spaced=True) or ()))
    return has_number or not any(b" " in cell.strip() for cell in comment.split(separator))


def is_spaced(header: bytes, separator: bytes) -> bool:
    """Return whether a blank follows each separator of a header, so that it may also precede quotes.

    Examples
    --------
    >>> is_spaced(b"id, start, labels", b","), is_spaced(b"id,a b", b","), is_spaced(b"id", b",")
    (True, False, False)
    """
    cells = header.split(separator)[1:]
    return bool(cells) and not separator.isspace() and all(cell[:1] == b" " for cell in cells)
