"""Random text tables, as they are and damaged: four readers, one truth."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from cascade.batch.inputs.opening import open_input
from cascade.data import read_data
from cascade.data.names import MISSING
from cascade.data.readers.table.columns import Roles
from cascade.data.readers.table.table_format import TableFormat
from cascade.data.signature import InputSignature
from cascade.errors import DataError

FILES = 300
WORDS = [
    "crack",
    "dent in,side",
    "a;b",
    "tab\there",
    'he said "no"',
    "two\nlines",
    "gap\n\nbelow",
    "é ü",
    " blank ",
    "#1",
]
WORDS += ["", "", "NA", "1,5", "-3", "|", "'", "ends\n", '"', '""', ", ", "x" * 300]
NUMBERS = ["0", "1.5", "-2e3", ".25", "7.", "+4", "", "NA", "nan", " 3 ", "inf", "true"]
HEADER = ["word", "größe", "other", "y"]
KINDS = {"word": "text", "größe": "number", "other": "text"}


def quoted(cell: str, separator: str, rng: np.random.Generator) -> str:
    needed = any(mark in cell for mark in (separator, '"', "\n", "\r")) or cell.startswith(" ")
    return '"' + cell.replace('"', '""') + '"' if needed or rng.random() < 0.2 else cell


def file_of(rng: np.random.Generator) -> tuple[bytes, str, str]:
    """Return a random file, its separator and its encoding."""
    separator = str(rng.choice([",", ";", "\t", "|"]))
    encoding = str(rng.choice(["utf-8", "utf-8-sig", "utf-16", "cp1252"]))
    end = str(rng.choice(["\n", "\r\n"]))
    lines = [separator.join(HEADER)]
    for _ in range(rng.integers(1, 40)):
        cells = [
            str(rng.choice(WORDS)),
            str(rng.choice(NUMBERS[:7])),
            str(rng.choice(WORDS)),
            str(rng.choice(["0", "1"])),
        ]
        lines.append(separator.join(quoted(cell, separator, rng) for cell in cells))
        if rng.random() < 0.05:
            lines.append("")
    if rng.random() < 0.5:
        damage(lines, separator, rng)
    text = "\n".join(lines) + ("\n" if rng.random() < 0.8 else "")
    return text.replace("\n", end).encode(encoding), separator, encoding


def damage(lines: list[str], separator: str, rng: np.random.Generator) -> None:
    """Give a few lines another number of cells, quotes within a cell, or invalid values."""
    for _ in range(rng.integers(1, 4)):
        row = int(rng.integers(1, len(lines) + 1))
        word, number = str(rng.choice(["a", '"b"', "c d"])), str(rng.choice(NUMBERS))
        faults = [
            [word, number, "more", "1", "0"],
            [word, number],
            ['"closed"early', number, "", "1"],
            [word, "many", "", "1"],
            [word, number, "", str(rng.choice(["2", "maybe", ""]))],
            [word, number, 'in"side', "1"],
        ]
        lines.insert(row, separator.join(faults[rng.integers(len(faults))]))


def expected(content: bytes, separator: str, encoding: str) -> list[tuple[object, ...] | None]:
    """Return the rows by Python's reader, None for each that is malformed or has an invalid cell."""
    text = content.decode(encoding).replace("\r\n", "\n")
    rows: list[tuple[object, ...] | None] = []
    for number, row in enumerate(csv.reader(io.StringIO(text, newline=""), delimiter=separator)):
        if number and row:
            rows.append(checked(row))
    return rows


def checked(row: list[str]) -> tuple[object, ...] | None:
    # Python's reader joins what follows a closed quote to the cell; no cell of a valid file is like that.
    if len(row) != len(HEADER) or row[0] == "closedearly":
        return None
    word, size, other, label = row
    number = number_of(size.strip())
    return None if number is None or label not in ("0", "1") else (word, number, other, int(label))


def number_of(cell: str) -> float | None:
    if cell in MISSING:
        return np.nan
    if cell in ("true", "false"):
        return float(cell == "true")
    return float(cell) if re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", cell) else None


def in_memory(path: Path, roles: Roles) -> list[tuple[object, ...]]:
    data = read_data(path, roles)
    labels = np.asarray(data.Y)[:, 0].tolist()
    columns = (data.X[name].tolist() for name in KINDS)
    return list(zip(*columns, labels, strict=True))


def in_a_job(path: Path, roles: Roles, size: int, n_rows: int) -> list[tuple[object, ...] | None]:
    signature = InputSignature((3,), None, tuple(KINDS), tuple(KINDS.values()))
    rows: list[tuple[object, ...] | None] = [None] * n_rows
    for chunk in open_input(path, roles, signature).chunks(size, 0):
        for row, *cells in zip(chunk.rows, *(chunk.X[name].tolist() for name in KINDS), strict=True):
            rows[row] = tuple(cells)
    return rows


def by_polars(content: bytes, separator: str, encoding: str) -> list[tuple[str, str]]:
    text = content.decode(encoding).replace("\r\n", "\n").encode()
    # Of a blank line, polars makes a row of nulls.
    frame = pl.read_csv(io.BytesIO(text), separator=separator, infer_schema=False).drop_nulls("y").fill_null("")
    return list(zip(frame["word"], frame["other"], strict=True))


def shown(rows: list[tuple[object, ...] | None]) -> list[str]:
    # NaN is no equal of itself, but of its text.
    return [repr(row) for row in rows]


@pytest.mark.parametrize("seed", range(10))
def test_every_reader_has_the_same_rows_or_the_same_refusal(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    path = tmp_path / "t.csv"
    n_refused = 0
    for _ in range(FILES // 10):
        content, separator, encoding = file_of(rng)
        path.write_bytes(content)
        given = TableFormat(encoding=encoding) if rng.random() < 0.3 else TableFormat()
        roles = Roles(("y",), kinds=KINDS, format=given, allow_missing=True)  # type: ignore[arg-type]
        truth = expected(content, separator, encoding)
        bad = [row for row, cells in enumerate(truth) if cells is None]
        if bad:
            n_refused += 1
            with pytest.raises(DataError, match=f"invalid row {bad[0]}:"):
                in_memory(path, roles)
        else:
            assert shown(in_memory(path, roles)) == shown(truth)
            # polars refuses quotes within a bare cell, which the format leaves open (RFC 4180).
            if 'in"side' not in content.decode(encoding):
                assert by_polars(content, separator, encoding) == [(cells[0], cells[2]) for cells in truth if cells]
        # A job does not read labels, so a row with a bad one is scored.
        scored = in_a_job(path, roles, int(rng.integers(1, 9)), len(truth))
        both = [(job, cells[:3]) for job, cells in zip(scored, truth, strict=True) if cells is not None]
        assert shown([job for job, _ in both]) == shown([cells for _, cells in both])
    assert 3 < n_refused < FILES // 10 - 3
