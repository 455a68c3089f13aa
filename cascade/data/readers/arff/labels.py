"""The labels of an ARFF file: named in the XML file of MULAN, or counted in the header as MEKA does."""

from __future__ import annotations

from pathlib import Path
from xml.parsers import expat

from cascade.data.readers.arff.header import ArffHeader
from cascade.data.readers.regular import read_whole
from cascade.data.readers.table.columns import Roles, require
from cascade.errors import DataError

MOST_BYTES = 2**24


PARTS = ("-train", "-test", "_train", "_test")
"""Ends of the names of parts of a data set, which have one file of labels."""


def label_attributes(path: Path, header: ArffHeader, roles: Roles, labelled: bool) -> tuple[str, ...]:
    """Return the attributes that are labels, in the order of the file that names them; none if nothing does.

    They are in `roles.label_file`, in the XML file of the same name, or counted in the relation (`-C 6`). Rows that are
    not `labelled` may lack them.

    Raises
    ------
    DataError
        If the XML file is damaged, names an attribute twice, or one that the ARFF file does not have.
    """
    xml = roles.label_file or _beside(path)
    if xml is not None:
        names = read_names(xml)
        if not labelled:
            return tuple(name for name in names if name in set(header.names))
        require(header.names, path, names, "label")
        return names
    count = header.n_labels
    return tuple(header.names[:count] if count > 0 else header.names[count:] if count else ())


def _beside(path: Path) -> Path | None:
    stem = path.name.lower().partition(".arff")[0]
    names = [path.name[: len(stem)], *(path.name[: len(stem) - len(end)] for end in PARTS if stem.endswith(end))]
    found = (path.with_name(f"{name}.xml") for name in names)
    return next((xml for xml in found if xml.exists()), None)


def read_names(path: Path) -> tuple[str, ...]:
    """Read the names of the labels in an XML file of MULAN, also those within others.

    Raises
    ------
    DataError
    """
    content = read_whole(path, MOST_BYTES, ", as a list of labels")
    names: list[str] = []
    parser = expat.ParserCreate()

    def start(tag: str, attributes: dict[str, str]) -> None:
        if tag.rpartition(":")[2].lower() != "label":
            return
        name = attributes.get("name")
        if not name:
            raise DataError(
                f"`{path}` must name each label. Received one without a name in line {parser.CurrentLineNumber}."
            )
        if name in names_seen:
            raise DataError(
                f"`{path}` must name each label once. Received {name!r} again in line {parser.CurrentLineNumber}."
            )
        names_seen.add(name)
        names.append(name)

    def refuse(*_: object) -> None:
        # A document type may define entities that grow without bound, or name other files.
        raise DataError(f"`{path}` must have no document type, as a list of labels.")

    names_seen: set[str] = set()
    parser.StartElementHandler, parser.StartDoctypeDeclHandler = start, refuse
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        raise DataError(f"`{path}` is no valid XML: {expat.ErrorString(error.code)} in line {error.lineno}.") from error
    if not names:
        raise DataError(f"`{path}` must name at least one label. Received none.")
    return tuple(names)
