"""Lists of images as people have them: other columns, label lists, sub-folders, endings, long form, 16 bits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cascade.batch.inputs.opening import open_input
from cascade.data import read_data
from cascade.data.readers.image.images import ImageFiles
from cascade.data.readers.pixels import PixelOptions
from cascade.data.readers.table.columns import Roles
from cascade.data.readers.table.label_lists import LabelList
from cascade.data.signature import InputSignature
from cascade.errors import ConfigError, DataError

FINDINGS = LabelList("Finding Labels", "|", ("No Finding",))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for place in ("one/a.png", "two/b.PNG", "two/c.jpg"):
        (tmp_path / place).parent.mkdir(exist_ok=True)
        Image.fromarray(np.full((20, 24), ord(place[4]), np.uint8)).save(tmp_path / place)
    (tmp_path / "list.csv").write_text(
        "Image Index,Finding Labels,Patient ID,\nA.png,Mass|Edema,1\nb.png,No Finding,1\nc,Edema,2\n"
    )
    return tmp_path


def roles(folder: Path, **options: object) -> Roles:
    given = {"file": "Image Index", "label_list": FINDINGS, "group": "Patient ID", "label_file": folder / "list.csv"}
    return Roles(**given | options)  # type: ignore[arg-type]


def test_names_are_found_in_sub_folders_whatever_their_case_and_ending(folder: Path) -> None:
    data = read_data(folder, roles(folder))
    assert data.label_names == ("Edema", "Mass")
    assert data.Y is not None
    assert data.Y.tolist() == [[1, 1], [0, 0], [1, 0]]
    assert data.groups is not None
    assert data.groups.tolist() == ["1", "1", "2"]
    assert data.ids.tolist() == ["A.png", "b.png", "c"]
    assert [int(np.median(row)) for row in data.X[np.arange(3)]] == [ord("a"), ord("b"), ord("c")]


SORTED = Roles(label_list=LabelList("folder", "+", ("good",)))


@pytest.fixture
def sub_folders(tmp_path: Path) -> Path:
    for number, place in enumerate(
        ("train/good/0.png", "train/crack/0.png", "test/crack+dent/1.png", "test/good/2.png")
    ):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((20, 24), number, np.uint8)).save(tmp_path / place)
    return tmp_path


def test_sub_folders_are_labels_when_they_are_named(sub_folders: Path) -> None:
    data = read_data(sub_folders, SORTED)
    assert data.label_names == ("crack", "dent")
    assert data.Y is not None
    found = {
        name: (row.tolist(), int(data.X[np.array([k])].max()))
        for k, (name, row) in enumerate(zip(data.ids, data.Y, strict=False))
    }
    assert found == {
        "train/good/0.png": ([0, 0], 0),
        "train/crack/0.png": ([1, 0], 1),
        "test/crack+dent/1.png": ([1, 1], 2),
        "test/good/2.png": ([0, 0], 3),
    }
    grouped = read_data(sub_folders, replace(SORTED, labels=("dent", "crack"), group="folder"))
    assert grouped.label_names == ("dent", "crack")
    assert sorted(set(grouped.groups)) == ["crack", "crack+dent", "good"]
    # Without the key the labels are a list's, which is missing; to predict, no label is needed.
    with pytest.raises(DataError, match=r"set `data.labels` to \{column: folder\}"):
        read_data(sub_folders, Roles())
    assert read_data(sub_folders, SORTED, labelled=False).Y is None


def test_an_image_outside_of_the_sub_folders_has_no_label(sub_folders: Path) -> None:
    (sub_folders / "train/good/0.png").rename(sub_folders / "0.png")
    with pytest.raises(DataError, match=r"must have each image in a sub-folder, .* Received '0\.png'"):
        read_data(sub_folders, SORTED)


def test_a_name_that_fits_two_files_or_none_is_refused(folder: Path) -> None:
    (folder / "one/B.png").write_bytes((folder / "two/b.PNG").read_bytes())
    sentence = r"'b\.png' at row 1, which may be 'one/B\.png' and 'two/b\.PNG'; give its folder"
    with pytest.raises(DataError, match=sentence):
        read_data(folder, roles(folder))
    (folder / "list.csv").write_text("Image Index,Finding Labels,Patient ID\nd.png,Mass,1\n")
    with pytest.raises(DataError, match=r"names a file that does not exist: .d\.png. at row 0"):
        read_data(folder, roles(folder))
    (folder / "list.csv").write_text("Image Index,Finding Labels,Patient ID\n../d.png,Mass,1\n")
    with pytest.raises(DataError, match="inside its folder"):
        read_data(folder, roles(folder))


def test_a_list_without_the_column_names_the_key(folder: Path) -> None:
    with pytest.raises(DataError, match=r"no column 'file' with the names of the files; name it with `data.file`"):
        read_data(folder, roles(folder, file=None))


def test_rows_per_label_are_joined(folder: Path) -> None:
    (folder / "list.csv").write_text("image;class\na.png;x\nb.png;none\na.png;y\nc.jpg;x\n")
    long = LabelList("class", none=("none",), id="image")
    data = read_data(folder, roles(folder, file="image", label_list=long, group=None))
    assert data.Y is not None
    assert data.Y.tolist() == [[1, 1], [0, 0], [1, 0]]
    assert data.ids.tolist() == ["a.png", "b.png", "c.jpg"]


def deep(path: Path, values: np.ndarray) -> Path:
    Image.fromarray(values.astype(np.uint16)).save(path)
    return path


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_grey_of_16_bits_is_scaled_by_the_bits_that_are_used(tmp_path: Path, ending: str) -> None:
    ramp = np.tile(np.linspace(0, 4095, 24).round(), (20, 1))
    paths = [deep(tmp_path / f"{k}.{ending}", ramp * share) for k, share in enumerate((0.5, 1.0))]
    images, _ = ImageFiles.survey(paths, None, leave_out=False)
    assert images.grey_bits == 12
    for k, share in enumerate((0.5, 1.0)):
        expected = np.rint((ramp * share).astype(np.uint16) / 4095 * 255)
        assert np.abs(images[np.array([k])][0, :, :, 0] - expected).max() <= 1
    declared, _ = ImageFiles.survey(paths, None, leave_out=False, grey_bits=16)
    assert int(declared[np.array([1])].max()) == round(4095 / 65535 * 255)


def test_the_bits_are_part_of_what_a_model_remembers(tmp_path: Path) -> None:
    for k in range(3):
        deep(tmp_path / f"{k}.png", np.full((20, 20), 1000 + k))
    (tmp_path / "labels.csv").write_text("file,crack\n0.png,0\n1.png,1\n2.png,0\n")
    data = read_data(tmp_path)
    assert data.pixels is not None
    assert data.pixels.to_json()["grey_bits"] == 10
    assert PixelOptions.of(**data.pixels.to_json()) == data.pixels
    with pytest.raises(ConfigError, match="`grey_bits` must be a whole number from 8 to 16"):
        PixelOptions.of(grey_bits=7)


def test_8_and_16_bits_of_the_same_picture_give_the_same_row(tmp_path: Path) -> None:
    grey = np.random.default_rng(0).integers(0, 256, (20, 24)).astype(np.uint8)
    Image.fromarray(grey).save(tmp_path / "a.png")
    deep(tmp_path / "b.png", grey.astype(np.uint16) * 257)
    images = ImageFiles([tmp_path / "a.png", tmp_path / "b.png"], (20, 24, 1))
    rows = images[np.arange(2)]
    np.testing.assert_array_equal(rows[0], rows[1])


def test_a_single_image_and_a_plain_list_are_rows_without_labels(folder: Path) -> None:
    (folder / "some.txt").write_text("two/c.jpg\none/a.png\n")
    signature = InputSignature((20, 24, 1), "uint8")
    for path, ids in ((folder / "some.txt", ["two/c.jpg", "one/a.png"]), (folder / "two" / "b.PNG", ["b.PNG"])):
        data = read_data(path, Roles(), labelled=False, row_shape=(20, 24, 1))
        assert data.ids.tolist() == ids
        (chunk,) = open_input(path, Roles(), signature).chunks(9, 0)
        assert chunk.ids.tolist() == ids
        assert chunk.X.tolist() == data.X[np.arange(len(ids))].tolist()
        with pytest.raises(DataError, match="must be a table"):
            read_data(path, Roles())
        with pytest.raises(DataError, match="no column 'part': it is an image or a plain list"):
            read_data(path, Roles(group="part"), labelled=False)
