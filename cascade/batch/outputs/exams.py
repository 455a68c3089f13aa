"""From the shards of a finished job to exams, without their rows in memory."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset
from pyarrow import acero


def exams_of(folder: Path, labels: tuple[str, ...]) -> pa.Table:
    """Make one row of each group as `cascade.batch.outputs.exam_table.exam_table` does; only the groups are held.

    Parameters
    ----------
    folder : path
        Of a finished job of a cascade on rows with groups.
    labels : tuple of str

    Returns
    -------
    pyarrow.Table
        Columns `group`, `rows`, `gate_probability`, `passed_gate`, then `<label>_probability` and `<label>`, sorted
        by group.
    """
    answers = [column for label in labels for column in (f"{label}_probability", label)]
    largest = ["gate_probability", "passed_gate", *answers]
    parts = pyarrow.dataset.dataset(sorted(folder.glob("part-*.parquet")), format="parquet")
    rows = ("group", "hash_count", None, "rows")
    scan = acero.Declaration("scan", acero.ScanNodeOptions(parts, columns=["group", *largest]))
    collect = acero.AggregateNodeOptions([rows, *((name, "hash_max", None, name) for name in largest)], keys=["group"])
    table = acero.Declaration.from_sequence([scan, acero.Declaration("aggregate", collect)]).to_table()
    table = table.set_column(0, "group", pc.cast(table["group"], pa.string()))
    return table.sort_by("group").select(["group", "rows", *largest])
