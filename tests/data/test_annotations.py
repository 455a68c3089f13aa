"""Labels of images from annotation tools: COCO, Label Studio, a list per label; and images that a list leaves out."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cascade.data import Dataset, read_data
from cascade.data.readers.table.columns import Roles
from cascade.data.readers.table.label_lists import LabelList
from cascade.errors import DataError

LEFT_OUT = object()
NAMES = ("a.png", "b.png", "sub/c.png")
TRUTH = [[1, 0], [0, 0], [1, 1]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in NAMES:
        (tmp_path / "images" / name).parent.mkdir(exist_ok=True, parents=True)
        Image.fromarray(np.full((8, 8), 9, np.uint8)).save(tmp_path / "images" / name)
    return tmp_path


def coco() -> dict[str, Any]:
    return {
        "images": [{"id": k, "file_name": name, "part": f"p{k // 2}"} for k, name in enumerate(NAMES)],
        # The identifiers of categories have gaps, as in COCO itself.
        "categories": [{"id": 7, "name": "crack"}, {"id": 90, "name": "dent"}],
        "annotations": [
            {"id": 1, "image_id": 0, "category_id": 7, "segmentation": [[1.5, 2, 3, 4]], "bbox": [1, 1, 2, 2]},
            {"id": 2, "image_id": 2, "category_id": 90, "iscrowd": 1, "segmentation": {"counts": [1], "size": [8, 8]}},
            {"id": 3, "image_id": 2, "category_id": 7},
            {"id": 4, "image_id": 2, "category_id": 7},
        ],
    }


def tasks() -> list[dict[str, Any]]:
    def task(name: str, *values: dict[str, Any]) -> dict[str, Any]:
        results = [{"type": "choices", "value": value} for value in values]
        return {"id": name, "data": {"image": name, "part": "x"}, "annotations": [{"result": results}]}

    return [
        task("a.png", {"choices": ["crack"]}),
        task("/data/upload/3/b.png", {"choices": []}),
        task("c.png", {"rectanglelabels": ["crack"], "x": 1.0}, {"labels": ["dent"], "points": [[1, 2]]}),
    ]


def read(folder: Path, body: Any, **roles: Any) -> Dataset:
    listing = folder / "labels.json"
    listing.write_text(body if isinstance(body, str) else json.dumps(body))
    return read_data(folder / "images", Roles(label_file=listing, **roles))


@pytest.mark.parametrize("body", [coco(), tasks()], ids=["coco", "label studio"])
def test_an_image_has_the_labels_of_its_annotations_and_may_have_none(folder: Path, body: Any) -> None:
    data = read(folder, body)
    assert data.label_names == ("crack", "dent")
    assert np.asarray(data.Y).tolist() == TRUTH
    assert data.known is None
    assert data.X[np.arange(3)].shape == (3, 8, 8, 1)
    assert np.asarray(read(folder, body, labels=("dent",)).Y).tolist() == [[0], [0], [1]]


def test_groups_and_names_of_files_may_be_other_attributes(folder: Path) -> None:
    body = coco()
    for image in body["images"]:
        image["path"] = image.pop("file_name")
    data = read(folder, body, file="path", group="part")
    assert data.groups is not None
    assert data.groups.tolist() == ["p0", "p0", "p1"]
    with pytest.raises(DataError, match="no group column 'patient_id'; its columns are id, part, path"):
        read(folder, body, file="path", group="patient_id")


def changed(place: tuple[Any, ...], value: Any) -> dict[str, Any]:
    body: Any = coco()
    owner = body
    for key in place[:-1]:
        owner = owner[key]
    if value is LEFT_OUT:
        del owner[place[-1]]
    else:
        owner[place[-1]] = value
    return dict(body)


@pytest.mark.parametrize(
    ("place", "value", "sentence"),
    [
        (
            (
                "annotations",
                1,
                "image_id",
            ),
            99,
            "annotation 1 of image 99, which is not in the file",
        ),
        (
            (
                "annotations",
                2,
                "image_id",
            ),
            LEFT_OUT,
            "annotation 2 of image None, which is not in the file",
        ),
        (
            (
                "annotations",
                0,
                "category_id",
            ),
            [7],
            r"annotation 0 of category None, which is not in the file",
        ),
        (
            (
                "images",
                1,
                "id",
            ),
            0,
            "each of its `images` an `id` of its own. Received 0 at 1",
        ),
        (
            (
                "images",
                1,
                "file_name",
            ),
            "a.png",
            "each row once in column 'file'. Received 'a.png' again at row 1",
        ),
        (
            (
                "images",
                1,
                "file_name",
            ),
            LEFT_OUT,
            "text `file_name` in each .* at 1; name .* in `data.file`",
        ),
        (
            (
                "categories",
                1,
                "name",
            ),
            "crack",
            "`label_names` must be distinct",
        ),
        (
            (
                "categories",
                1,
                "name",
            ),
            None,
            "a text `name` in each of its `categories`. Received None at 1",
        ),
        (
            (
                "images",
                0,
                "file_name",
            ),
            "../../a.png",
            "must name files inside its folder",
        ),
        (("images",), [], "at least one of `images`"),
        (
            (
                "images",
                0,
            ),
            3,
            "a list of objects in `images`",
        ),
        (("categories",), LEFT_OUT, "must be COCO"),
    ],
)
def test_annotations_that_contradict_themselves_are_refused(
    folder: Path, place: Any, value: Any, sentence: str
) -> None:
    with pytest.raises(DataError, match=sentence):
        read(folder, changed(place, value))


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (json.dumps(coco())[:-20], "no valid JSON: .* in line 1; it may be cut"),
        ("[" * 10**6, "no valid JSON"),
        ('{"images": ' + "9" * 5000 + "}", "no valid JSON"),
        ("[1, 2]", "must be COCO"),
        ([{"data": {"text": "x"}, "annotations": []}], "names no image in `image` of task 0; name .* in `data.file`"),
        ([{"data": {"image": "a.png"}, "annotations": {}}], "a list of objects in `annotations` of task 0"),
        ([{"data": {"image": "a.png"}, "annotations": []}], "at least one label"),
        ([*tasks(), {"data": {"image": "a.png"}}], "'a.png' again at row 3"),
    ],
)
def test_other_json_is_refused_in_a_sentence(folder: Path, body: Any, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        read(folder, body)


def test_a_cancelled_annotation_counts_as_none(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    body = tasks()
    body[0]["annotations"][0]["was_cancelled"] = True
    with caplog.at_level("WARNING", "cascade.data"):
        assert np.asarray(read(folder, body).Y).tolist() == [[0, 0], [0, 0], [1, 1]]
    assert "1 of 3 tasks have no annotation" in caplog.text


def lists(folder: Path, **texts: str) -> Path:
    (folder / "lists").mkdir(exist_ok=True)
    for label, text in texts.items():
        (folder / "lists" / f"{label}_train.txt").write_text(text)
    return folder / "lists" / "*_train.txt"


@pytest.mark.parametrize(
    ("crack", "dent", "known"),
    [
        ("a  1\nb  0\nc  1\n", "a -1\nb -1\nc 1\n", [[1, 1], [0, 1], [1, 1]]),
        ("a 1\nb 0\nc 1\n", "c 1\nb 0\n\na 0", None),
    ],
    ids=["0 is difficult", "0 is not set"],
)
def test_a_list_per_label_says_what_zero_means_by_its_other_values(
    folder: Path, crack: str, dent: str, known: list[list[int]] | None
) -> None:
    data = read_data(folder / "images", Roles(label_file=lists(folder, crack=crack, dent=dent)))
    assert data.label_names == ("crack", "dent")
    assert np.asarray(data.Y).tolist() == TRUTH
    assert data.ids.tolist() == ["a", "b", "c"]
    assert (data.known is None) == (known is None)
    assert known is None or np.asarray(data.known).astype(int).tolist() == known


@pytest.mark.parametrize(
    ("dent", "sentence"),
    [
        ("a 1\nb 2\n", "crack_train|dent_train.txt` must have an image and 1, 0 or -1 in line 2. Received 'b 2'"),
        ("a 1\nb\n", "in line 2. Received 'b'"),
        ("a 1\nb 0\n", "dent_train.txt` leaves out image 'c', .* set `data.missing_labels`"),
        ("a 1\nb 0\nc 0\na 1\n", "'a' again at row 3"),
    ],
)
def test_malformed_lists_are_refused(folder: Path, dent: str, sentence: str) -> None:
    listing = lists(folder, crack="a 1\nb 0\nc 1\n", dent=dent)
    with pytest.raises(DataError, match=sentence):
        read_data(folder / "images", Roles(label_file=listing))


def test_patterns_of_lists_that_fit_nothing_or_too_much_are_refused(folder: Path) -> None:
    lists(folder, crack="a 1\n")
    with pytest.raises(DataError, match="does not exist"):
        read_data(folder / "images", Roles(label_file=folder / "lists" / "*_val.txt"))
    with pytest.raises(DataError, match="one `\\*` in the name"):
        read_data(folder / "images", Roles(label_file=folder / "li*" / "*_train.txt"))


def test_files_that_a_list_leaves_out_are_empty_rows_on_request(folder: Path) -> None:
    listing = folder / "defects.csv"
    listing.write_text("ImageId,ClassId\na.png,1\nc.png,1\nc.png,2\n")
    long = Roles(label_file=listing, file="ImageId", label_list=LabelList("ClassId", id="ImageId"))
    assert len(read_data(folder / "images", long)) == 2
    data = read_data(folder / "images", replace(long, unlisted_are_empty=True))
    assert data.ids.tolist() == ["a.png", "c.png", "b.png"]
    assert np.asarray(data.Y).tolist() == [[1, 0], [1, 1], [0, 0]]
    grouped = replace(long, unlisted_are_empty=True, group="ClassId")
    with pytest.raises(DataError, match=r"take it or `data.unlisted_are_empty` out"):
        read_data(folder / "images", grouped)
