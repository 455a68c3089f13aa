"""Read damaged data files whole and in parts: no traceback, no row unaccounted for, no difference between the readers.

    python benchmarks/damaged_data.py --files 1000

Each file is a valid table or array with random damage: flipped, removed, repeated and inserted bytes, quotes and
separators, cuts, and members of archives that declare something else. The files of a seed are always the same. They are
read in separate processes, so that a crash of compiled code is counted and not fatal. The exit status is 1 if anything
was found.
"""

from __future__ import annotations

import argparse
import io
import json
import re
import subprocess
import sys
import tempfile
import traceback
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
from scipy import sparse

from cascade.batch.inputs.opening import open_input
from cascade.data import read_data
from cascade.data.readers.table.columns import Roles
from cascade.data.signature import InputSignature
from cascade.errors import DataError

KINDS = ("csv", "parquet", "npz", "npy", "folder", "sparse")
ROWS = 60
FEATURES = ("x", "y")
PART = 250
"""Files per process."""
CRUMBS = (b'"', b'""', b",", b"\n", b"\r", b"\0", b"\xff", b"\xef\xbf\xbd", b"NA", b"1e999", b'"\n', b',"', b'",')


def table(rng: np.random.Generator, first: int = 0) -> pa.Table:
    """Return a small table of numbers and a label, with the keys of rows from `first` on."""
    return pa.table(
        {
            "key": np.arange(first, first + ROWS),
            "x": rng.normal(size=ROWS).round(3),
            "y": rng.integers(0, 100, ROWS),
            "a": rng.integers(0, 2, ROWS),
        }
    )


def damaged(content: bytes, rng: np.random.Generator, crumbs: tuple[bytes, ...]) -> bytes:
    """Return bytes with one to four random damages, or with a single flipped bit."""
    data = bytearray(content)
    if rng.random() < 0.3:
        data[int(rng.integers(0, len(data)))] ^= 1 << int(rng.integers(0, 8))
        return bytes(data)
    for _ in range(int(rng.integers(1, 5))):
        place = int(rng.integers(0, max(1, len(data))))
        length = int(rng.integers(1, 40))
        kind = rng.choice(["flip", "drop", "repeat", "insert", "insert", "cut"], p=[0.2, 0.15, 0.15, 0.2, 0.2, 0.1])
        if kind == "flip" and data:
            data[place] ^= 1 << int(rng.integers(0, 8))
        elif kind == "drop":
            del data[place : place + length]
        elif kind == "repeat":
            data[place:place] = data[place : place + length]
        elif kind == "insert":
            data[place:place] = crumbs[int(rng.integers(0, len(crumbs)))]
        else:
            del data[place:]
    return bytes(data)


def write(kind: str, path: Path, rng: np.random.Generator) -> Path:
    """Write one damaged input of a kind; return its path."""
    if kind == "csv":
        columns = table(rng).to_pydict()
        rows = "\n".join(",".join(map(str, row)) for row in zip(*columns.values(), strict=True))
        path = path.with_suffix(".csv")
        path.write_bytes(damaged(f"{','.join(columns)}\n{rows}\n".encode(), rng, CRUMBS))
    elif kind == "parquet":
        path = path.with_suffix(".parquet")
        path.write_bytes(damaged(_parquet(table(rng)), rng, (b"\0", b"\xff\xff\xff\x7f", b"PAR1")))
    elif kind == "folder":
        path.mkdir()
        numbers = [
            pa.int64(),
            pa.float32(),
            pa.int8(),
            pa.decimal128(24, 3),
            pa.bool_(),
            pa.string(),
            pa.timestamp("ns"),
        ]
        keys = [pa.int64(), pa.float64(), pa.string(), pa.decimal128(24, 3)]
        for number in range(3):
            whole = table(rng, number * ROWS)
            # Types that cannot be numbers are refused, so they are rarer than those that can.
            chance = [0.25, 0.25, 0.2, 0.14, 0.1, 0.03, 0.03]
            for name, kinds, share in (("y", numbers, chance), ("key", keys, None)):
                column = whole[name] if name == "key" else pa.chunked_array([np.arange(ROWS) % 2])
                changed = column.cast(kinds[int(rng.choice(len(kinds), p=share))])
                whole = whole.set_column(whole.column_names.index(name), name, changed)
            content = _parquet(whole)
            hit = rng.random() < 0.2
            (path / f"{number}.parquet").write_bytes(damaged(content, rng, (b"\0",)) if hit else content)
    elif kind == "npy":
        path = path.with_suffix(".npy")
        content = io.BytesIO()
        np.save(content, rng.normal(size=(ROWS, 2)))
        path.write_bytes(damaged(content.getvalue(), rng, (b"9", b"-", b"(", b"\0")))
    else:
        path = path.with_suffix(".npz")
        _write_archive(path, rng, is_sparse=kind == "sparse")
    return path


def _parquet(whole: pa.Table) -> bytes:
    content = io.BytesIO()
    pyarrow.parquet.write_table(whole, content)
    return content.getvalue()


def _write_archive(path: Path, rng: np.random.Generator, is_sparse: bool) -> None:
    """Write an archive of which one member is damaged, or replaced by something else, before it is packed."""
    arrays = {"X": rng.normal(size=(ROWS, 2)), "Y": rng.integers(0, 2, (ROWS, 2)), "groups": np.arange(ROWS) // 3}
    if is_sparse:
        indptr = np.arange(ROWS + 1)
        arrays = {"X_data": np.ones(ROWS), "X_indices": np.arange(ROWS) % 2, "X_indptr": indptr}
        arrays |= {"X_shape": np.array([ROWS, 2]), "ids": np.arange(ROWS)}
    hit = list(arrays)[int(rng.integers(0, len(arrays)))]
    values = arrays[hit]
    others = [
        values.astype(str),
        values * 10**9,
        -values - 1,
        values.astype(float) * np.nan,
        values.astype([("a", "f8")]),
        values.reshape(-1),
        values[:-1],
        values.astype(complex),
    ]
    arrays[hit] = others[int(rng.integers(0, len(others)))] if rng.random() < 0.6 else values
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, array in arrays.items():
            content = io.BytesIO()
            np.lib.format.write_array(content, np.asarray(array), allow_pickle=False)
            member = content.getvalue()
            file.writestr(f"{name}.npy", damaged(member, rng, (b"9", b"-", b"(")) if name == hit else member)
    if rng.random() < 0.3:
        path.write_bytes(damaged(path.read_bytes(), rng, (b"\0", b"PK\x03\x04")))


def examine(path: Path) -> str:
    """Read an input both ways; return "valid", "refused", "rejected", or what is wrong."""
    is_table = path.suffix in (".csv", ".parquet", "")
    features = FEATURES if is_table else None
    roles = Roles(id="key") if is_table else Roles()
    whole, sentence = None, ""
    try:
        whole = read_data(path, roles, labelled=False, features=features)
    except DataError as error:
        sentence = str(error)
        if str(path) not in sentence or "\n" in sentence.removeprefix(str(path)):
            return f"a sentence without the file: {sentence!r}"
    try:
        chunks = list(open_input(path, roles, InputSignature((2,), "number", features)).chunks(7, 0))
    except DataError as error:
        return "refused" if whole is None else f"only the streaming reader refuses: {error}"
    rejected = [row for chunk in chunks for row in chunk.rejected.to_pylist()]
    n_read = sum(chunk.n_read for chunk in chunks)
    if path.suffix == ".csv" and n_read != lines_of(path):
        return f"{lines_of(path)} lines, {n_read} rows accounted for"
    if whole is None:
        return _same_refusal(sentence, rejected, n_read)
    ids = [str(name) for chunk in chunks for name in chunk.ids]
    if rejected or ids != whole.ids.tolist():
        return f"read whole, but {len(rejected)} rows are rejected in parts"
    values = [chunk.X for chunk in chunks]
    if sparse.issparse(whole.X):
        # Not as dense arrays: a damaged shape may have more columns than fit into memory.
        return "valid" if (sparse.vstack(values) != whole.X).nnz == 0 else "other values in parts"
    return "valid" if np.array_equal(np.concatenate(values), whole.X) else "other values in parts"


def _same_refusal(sentence: str, rejected: list[dict[str, object]], n_read: int) -> str:
    """Check that a file that is refused whole has, in parts, a rejected row of the same number, or no row at all."""
    row = re.search(r"invalid row (\d+)", sentence)
    if row and rejected and rejected[0]["row"] == int(row[1]):
        return "rejected"
    # In a table only the reader of the whole file knows all identifiers.
    is_once_only = "once in column" in sentence or not n_read
    return "refused" if is_once_only else f"only the reader of the whole file refuses: {sentence}"


def lines_of(path: Path) -> int:
    """Count the lines of a CSV file that are not blank, without the header."""
    lines = path.read_bytes().replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    return sum(bool(line) for line in lines) - 1


def work(seed: int, first: int, n_files: int) -> None:
    """Examine some files; print one JSON line before and one after each, so that a crash names its file."""
    with tempfile.TemporaryDirectory() as folder:
        for number in range(first, first + n_files):
            kind = KINDS[number % len(KINDS)]
            print(json.dumps([number, kind, None]), flush=True)
            try:
                path = write(kind, Path(folder) / f"{number}", np.random.default_rng([seed, number]))
                outcome = examine(path)
            except BaseException:
                outcome = f"traceback: {traceback.format_exc()[-600:]}"
            print(json.dumps([number, kind, outcome]), flush=True)


def run(seed: int, n_files: int) -> tuple[Counter[tuple[str, str]], list[tuple[int, str, str]]]:
    """Examine files in separate processes; return how many ended in which way, and what is wrong."""
    outcomes: Counter[tuple[str, str]] = Counter()
    wrong = []
    number = 0
    while number < n_files:
        part = min(PART, n_files - number)
        options = ["--seed", str(seed), "--first", str(number), "--files", str(part), "--work"]
        command = [sys.executable, __file__, *options]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        for line in done.stdout.splitlines():
            at, kind, outcome = json.loads(line)
            number = at + 1
            if outcome is not None:
                outcomes[kind, outcome if outcome in ("valid", "refused", "rejected") else "wrong"] += 1
                if outcome not in ("valid", "refused", "rejected"):
                    wrong.append((at, kind, outcome))
        if done.returncode:
            outcomes[kind, "wrong"] += 1
            wrong.append((at, kind, f"the process ended with {done.returncode}"))
    return outcomes, wrong


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        work(options.seed, options.first, options.files)
        return
    outcomes, wrong = run(options.seed, options.files)
    for kind in KINDS:
        counts = {outcome: n for (of, outcome), n in sorted(outcomes.items()) if of == kind}
        print(f"{kind:8}", ", ".join(f"{n} {outcome}" for outcome, n in counts.items()))
    for number, kind, outcome in wrong:
        print(f"file {number} ({kind}): {outcome}")
    print(f"{options.files} files, {len(wrong)} wrong")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
