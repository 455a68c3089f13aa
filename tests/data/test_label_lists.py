"""Labels in one column, in the forms that public data sets have."""

from __future__ import annotations

import pyarrow as pa
import pytest

from cascade.data.readers.table.label_lists import LabelList, bits_of, names_in
from cascade.errors import ConfigError, DataError

ONE = LabelList("labels", none=("No Finding", "healthy", "NORM", "normal"))
FORMS = {
    "bars": ["Mass|Edema", "No Finding", "Edema"],
    "semicolons": ["Mass;Edema", "", "Edema"],
    "commas": ["Mass, Edema", None, "Edema"],
    "json": ['["Mass", "Edema"]', "[]", '["Edema"]'],
    "python": ["['Mass ', 'Edema ']", "['normal']", "['Edema ']"],
    "mapping": ["{'Mass': 100.0, 'Edema': 50.0}", "{'NORM': 100.0}", "{'Edema': 100.0}"],
    "angles": ["<Mass><Edema>", None, "<Edema>"],
    "lists": [["Mass", "Edema"], [], ["Edema"]],
    "repeated": ["Mass|Edema|Mass", "No Finding", "Edema|No Finding"],
}


@pytest.mark.parametrize("form", FORMS)
def test_names_are_found_in_each_form(form: str) -> None:
    column = pa.chunked_array([pa.array(FORMS[form])])
    assert names_in(column, ONE) == [("Mass", "Edema"), (), ("Edema",)]


def test_blanks_separate_names_where_they_are_the_separator() -> None:
    column = pa.chunked_array([["1  2", "25", ""]])
    assert names_in(column, LabelList("Target", " ", none=("25",))) == [("1", "2"), (), ()]
    # Otherwise a name may have blanks.
    assert names_in(pa.chunked_array([["Pleural Thickening"]]), LabelList("a")) == [("Pleural Thickening",)]


def test_numbers_are_names_without_a_decimal_point() -> None:
    assert names_in(pa.chunked_array([pa.array([[1.0, 2.0], []])]), LabelList("a")) == [("1", "2"), ()]
    assert names_in(pa.chunked_array([pa.array([3, None])]), LabelList("a")) == [("3",), ()]


def test_code_in_a_cell_is_a_name_and_is_not_run() -> None:
    cell = "[__import__('os').getcwd()]"
    assert names_in(pa.chunked_array([[cell]]), LabelList("a", "|")) == [(cell,)]


def test_lists_of_lists_are_refused() -> None:
    with pytest.raises(DataError, match="a label name must be text or a number"):
        names_in(pa.chunked_array([["[[1], [2]]"]]), LabelList("a"))
    with pytest.raises(ConfigError, match="separator"):
        LabelList("a", "")


def test_bits_follow_the_order_of_the_names() -> None:
    assert bits_of([("b", "a"), (), ("c",)], ("a", "b")).tolist() == [[1, 1], [0, 0], [0, 0]]
