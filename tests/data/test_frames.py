"""Images of any proportions at one size: with borders, stretched or cropped, alike from files, arrays and jobs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest
from PIL import Image

from cascade import CascadePredictor
from cascade.batch.runner import Settings
from cascade.config.schema import RunConfig
from cascade.data.images.averaging import averaged, shrunk
from cascade.data.images.frame import Frame
from cascade.data.readers.image.images import ImageFiles
from cascade.data.readers.table.columns import Roles
from cascade.errors import ConfigError, DataError
from cascade_pipelines import predict, train
from cascade_pipelines.steps.locate import find_model

FITS = ("letterbox", "stretch", "crop")


def means(pixels: np.ndarray, across: int, down: int) -> np.ndarray:
    height, width = pixels.shape
    return pixels.reshape(height // down, down, width // across, across).mean(axis=(1, 3))


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (24, 48), dtype=np.uint8)


def test_a_stretched_image_has_the_means_of_its_areas(pixels: np.ndarray) -> None:
    found = np.asarray(shrunk(Image.fromarray(pixels), Frame(8, 12, "stretch")))
    assert np.abs(found - means(pixels, 6, 2)).max() <= 0.5


def test_a_cropped_image_has_the_means_of_its_centre(pixels: np.ndarray) -> None:
    found = np.asarray(shrunk(Image.fromarray(pixels), Frame(12, 12, "crop")))
    assert np.abs(found - means(pixels[:, 12:36], 2, 2)).max() <= 0.5


def test_a_letterbox_has_black_borders_on_two_sides(pixels: np.ndarray) -> None:
    found = np.asarray(shrunk(Image.fromarray(pixels), Frame(24, 20)))
    assert found.shape == (20, 24)
    np.testing.assert_array_equal(found[[0, 1, 2, 3, 16, 17, 18, 19]], 0)
    assert np.abs(found[4:16] - means(pixels, 2, 2)).max() <= 0.5


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("size", [(48, 24), (32, 48), (32, 32)])
def test_a_gate_sees_the_rows_averaged_down(fit: Any, size: tuple[int, int], tmp_path: Path) -> None:
    soft = np.random.default_rng(1).integers(0, 256, (6, 4, 3), dtype=np.uint8)
    Image.fromarray(soft).resize((160, 120)).save(tmp_path / "soft.png")
    files = ImageFiles([tmp_path / "soft.png"], frame=Frame(*size, fit))
    rows = files[np.arange(1)]
    assert rows.shape == (1, size[1], size[0], 3)
    small = files.at_size(max(size) // 4)[np.arange(1)].astype(int)
    assert np.abs(small - averaged(rows, max(size) // 4)).mean() < 4


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("name", ["image.png", "image.jpg"])
def test_a_turned_file_gives_the_row_of_the_upright_one(fit: Any, name: str, tmp_path: Path) -> None:
    soft = np.random.default_rng(2).integers(0, 256, (5, 4, 3), dtype=np.uint8)
    upright = Image.fromarray(soft).resize((320, 200), Image.Resampling.BICUBIC)
    upright.save(tmp_path / name, quality=97)
    exif = Image.Exif()
    exif[0x0112] = 6  # stored a quarter turn to the left
    upright.transpose(Image.Transpose.ROTATE_90).save(tmp_path / f"turned-{name}", quality=97, exif=exif)
    rows = ImageFiles([tmp_path / name, tmp_path / f"turned-{name}"], frame=Frame(32, 16, fit))[np.arange(2)]
    assert np.abs(rows[0].astype(int) - rows[1]).max() <= (0 if name.endswith("png") else 6)


def test_a_centre_that_rounding_puts_outside_of_an_image_is_within_it(tmp_path: Path) -> None:
    Image.fromarray(np.full((15, 2), 77, np.uint8)).save(tmp_path / "a.png")
    assert (ImageFiles([tmp_path / "a.png"], frame=Frame(1, 11, "crop"))[np.arange(1)] == 77).all()


def test_images_that_are_too_small_for_a_frame_are_refused(tmp_path: Path) -> None:
    Image.new("L", (20, 12)).save(tmp_path / "a.png")
    assert ImageFiles([tmp_path / "a.png"], frame=Frame(20, 16))[np.arange(1)].shape == (1, 16, 20, 1)
    for fit in ("stretch", "crop"):
        with pytest.raises(DataError, match=r"a.png` must not be smaller than `image_size` \(\[20, 16\]\)"):
            ImageFiles([tmp_path / "a.png"], frame=Frame(20, 16, fit))[np.arange(1)]


@pytest.mark.parametrize("size", [0, True, [20], [20, 0], [20, 10, 3], "20", 2.5])
def test_sizes_that_are_no_pixels_are_refused(size: Any) -> None:
    with pytest.raises(ConfigError, match="`image_size` must be a number of pixels, or"):
        Frame.of(size)
    with pytest.raises(ValueError, match="image_size"):
        RunConfig.model_validate({"name": "a", "data": {"path": "x", "image_size": size}})


@pytest.mark.parametrize("fit", ["crop", pytest.param("stretch", marks=pytest.mark.slow)])
def test_a_model_remembers_the_frame_of_its_training(fit: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    folder = tmp_path / "images"
    folder.mkdir()
    lines = ["file,bright"]
    for number in range(120):
        bright = number % 4 == 0
        shape = (24 + number % 5, 40 + number % 7)
        Image.fromarray(rng.integers(150 if bright else 0, 250 if bright else 100, shape, dtype=np.uint8)).save(
            folder / f"{number}.png"
        )
        lines.append(f"{number}.png,{int(bright)}")
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    network = {"network": "cnn", "network_options": {"width": 2}, "epochs": 1, "image_size": 8}
    config = {
        "name": "framed",
        "data": {"path": folder, "image_size": [16, 8], "image_fit": fit},
        "gate": {"kind": "keras", **network},
        "labeler": {"model": {"kind": "keras", **network, "image_size": None}},
        "flat_baseline": False,
    }
    train.run(RunConfig.model_validate(config), tmp_path / "models")
    predictor = CascadePredictor.load(find_model(tmp_path / "models" / "framed"))
    assert predictor.signature.row_shape == (8, 16, 1)
    (folder / "labels.csv").unlink()
    files = sorted(folder.iterdir())
    wanted = predictor.predict_proba(ImageFiles(files, frame=Frame(16, 8, fit)))
    for output, settings in ((tmp_path / "one.parquet", None), (tmp_path / "job", Settings())):
        predict.run(tmp_path / "models" / "framed", folder, output, Roles(), settings=settings)
        answers = pyarrow.parquet.read_table(output)
        np.testing.assert_allclose(answers["bright_probability"].to_numpy(), wanted[:, 0], atol=1e-5)
