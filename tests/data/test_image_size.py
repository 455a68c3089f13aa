"""A gate that looks at a smaller image than the labeler: from arrays, from files, in jobs, exported."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.multioutput import MultiOutputClassifier

from cascade import BalancedBinaryRelevance, CascadeClassifier
from cascade.batch.inputs.opening import open_input
from cascade.batch.outputs.predictions import CascadeTables
from cascade.batch.runner import Settings, run_job
from cascade.data.images.averaging import averaged, shrink
from cascade.data.images.frame import Frame
from cascade.data.images.size import at_size, check_image_size
from cascade.data.readers.image import image_file, jpeg
from cascade.data.readers.image.images import ImageFiles
from cascade.data.readers.pixels import PixelOptions
from cascade.data.readers.table.columns import Roles
from cascade.data.rows import RowView, blocks
from cascade.errors import ConfigError, DataError
from cascade.estimators.base import MultilabelClassifier
from cascade.estimators.scoring import size_of
from cascade.utils.threads import ahead
from tests.batch.test_batch_inputs import Silent

FULL, SMALL = 32, 8


class Glance(MultilabelClassifier):
    """Logistic regression on pixels that looks at images of one size, and remembers which it was given."""

    def __init__(self, image_size: int | None = None) -> None:
        self.image_size = image_size

    def fit(self, X: Any, y: np.ndarray) -> Self:
        inner = LogisticRegression() if y.ndim == 1 else MultiOutputClassifier(LogisticRegression())
        self.model_, self.classes_ = inner.fit(self._pixels(X), y), np.arange(2)
        return self

    def predict_proba(self, X: Any) -> Any:
        self.seen_ = X.shape[1:3]
        answer = self.model_.predict_proba(self._pixels(X))
        return np.column_stack([one[:, 1] for one in answer]) if isinstance(answer, list) else answer

    def _pixels(self, X: Any) -> np.ndarray:
        images = at_size(X, self.image_size)
        return images[np.arange(len(images))].reshape(len(images), -1) / 255.0


def scene(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Soft images, with a bright left half for one label and a bright upper half for the other."""
    rng = np.random.default_rng(seed)
    Y = (rng.random((n, 2)) < 0.2).astype(int)
    soft = [Image.fromarray(rng.integers(40, 90, (4, 4), dtype=np.uint8)).resize((FULL, FULL)) for _ in range(n)]
    X = np.stack([np.asarray(image) for image in soft])[..., None].astype(np.int64)
    X[:, :, : FULL // 2] += 50 * Y[:, 0, None, None, None]
    X[:, : FULL // 2] += 50 * Y[:, 1, None, None, None]
    return X.astype(np.uint8), Y


@pytest.fixture(scope="module")
def model() -> CascadeClassifier:
    return CascadeClassifier(Glance(SMALL), Glance()).fit(*scene(600))


@pytest.fixture
def jpegs(tmp_path: Path) -> Path:
    X, _ = scene(60, seed=1)
    for number, image in enumerate(X):
        Image.fromarray(image[..., 0]).save(tmp_path / f"{number:03d}.jpg", quality=95)
    return tmp_path


@given(
    arrays.arrays(np.uint8, st.tuples(st.integers(1, 3), st.just(24), st.just(24), st.sampled_from([1, 3]))),
    st.sampled_from([1, 2, 3, 4, 6, 8, 12, 24]),
)
def test_means_of_areas_are_rounded_means(images: np.ndarray, factor: int) -> None:
    size = 24 // factor
    n, channels = len(images), images.shape[3]
    exact = images.reshape(n, size, factor, size, factor, channels).mean(axis=(2, 4))
    found = averaged(images, size)
    assert found.dtype == np.uint8
    assert (np.abs(found - exact) <= 0.5 + 1e-9).all()
    one_by_one = np.stack([shrink(image, Frame(size, size)) for image in images])
    assert np.abs(found.astype(int) - one_by_one).max() <= 1


@pytest.mark.parametrize("shape", [(3, 30, 20, 1), (2, 20, 20, 3), (0, 30, 20, 1), (1, 8 * 17, 8 * 17, 1)])
def test_other_sizes_are_averaged_image_by_image(shape: tuple[int, ...]) -> None:
    images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    found = averaged(images, SMALL)
    assert found.shape == (shape[0], SMALL, SMALL, shape[3])
    for ours, image in zip(found, images, strict=True):
        np.testing.assert_array_equal(ours, shrink(image, Frame(SMALL, SMALL)))


def test_the_same_size_is_the_same_rows_and_others_are_refused() -> None:
    X = np.zeros((4, FULL, FULL, 1), np.uint8)
    assert at_size(X, None) is X
    assert at_size(X, FULL) is X
    with pytest.raises(DataError, match=r"at least 64 pixels\. Received 32x32"):
        at_size(X, 64)
    with pytest.raises(DataError, match="images of 8 bits"):
        at_size(X.astype(np.float32), SMALL)
    with pytest.raises(DataError, match="images of 8 bits"):
        at_size(np.zeros((4, 7), np.uint8), SMALL)
    for size in (0, -1, 2.0, True, "8"):
        with pytest.raises(ConfigError, match="`image_size` must be a number of pixels"):
            check_image_size(size)


def test_bags_look_at_the_size_of_their_estimator() -> None:
    X, Y = scene(90)
    assert size_of(BalancedBinaryRelevance(Glance(SMALL), n_bags=1).fit(X, Y)) == SMALL
    assert size_of(BalancedBinaryRelevance(Glance(), n_bags=1).fit(X, Y)) is None


def test_a_view_of_some_rows_is_resized_as_the_rows_are() -> None:
    X, _ = scene(9)
    rows = np.array([5, 2, 7])
    view = at_size(RowView(X, rows), SMALL)
    assert view.shape == (3, SMALL, SMALL, 1)
    np.testing.assert_array_equal(view[np.array([2, 0])], averaged(X[[7, 5]], SMALL))


@pytest.mark.parametrize("side", [64, 50])
def test_a_jpeg_decoded_small_shows_what_its_average_shows(tmp_path: Path, side: int) -> None:
    soft = Image.fromarray(np.random.default_rng(0).integers(0, 256, (5, 5), dtype=np.uint8))
    soft.resize((side, side), Image.Resampling.BICUBIC).save(tmp_path / "soft.jpg", quality=98)
    full = ImageFiles([tmp_path / "soft.jpg"])
    small = at_size(full, SMALL)
    assert isinstance(small, ImageFiles)
    rows = np.array([0])
    difference = small[rows].astype(int) - averaged(full[rows], SMALL)
    assert np.abs(difference).max() <= (2 if side == 64 else 10)


def test_only_rows_past_the_gate_are_decoded_in_full(
    model: CascadeClassifier, jpegs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: Counter[tuple[int, str]] = Counter()
    decode = ImageFiles.decode

    def counting(self: ImageFiles, path: Path) -> np.ndarray:
        decoded[self.shape[1], path.name] += 1
        return decode(self, path)

    monkeypatch.setattr(ImageFiles, "decode", counting)
    paths = sorted(jpegs.iterdir())
    answer = model.predictor_.examine(ImageFiles(paths))
    past = {path.name for path, passed in zip(paths, answer.passed_gate, strict=True) if passed}
    assert 0 < len(past) < len(paths)
    assert decoded == Counter({(SMALL, path.name): 1 for path in paths}) + Counter({(FULL, name): 1 for name in past})
    assert model.predictor_.gate.seen_ == (SMALL, SMALL)
    assert model.predictor_.labeler.seen_ == (FULL, FULL)


def test_a_job_decodes_twice_and_answers_as_in_memory(model: CascadeClassifier, jpegs: Path, tmp_path: Path) -> None:
    predictor, paths = model.predictor_, sorted(jpegs.glob("*.jpg"))
    found, _ = predicted(predictor, jpegs, tmp_path / "out")
    wanted = predictor.examine(ImageFiles(paths))
    np.testing.assert_allclose(found["gate_probability"], wanted.gate_proba, rtol=1e-12)
    for k, label in enumerate(predictor.labels):
        np.testing.assert_allclose(found[f"{label}_probability"], wanted.proba[:, k], rtol=1e-12)


def test_a_row_that_fails_only_in_full_is_rejected(
    model: CascadeClassifier, jpegs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    predictor, paths = model.predictor_, sorted(jpegs.glob("*.jpg"))
    passed = np.flatnonzero(predictor.examine(ImageFiles(paths)).passed_gate)
    torn, decode = paths[passed[1]].name, ImageFiles.decode

    def failing(self: ImageFiles, path: Path) -> np.ndarray:
        if path.name == torn and self.shape[1] == FULL:
            raise DataError(f"`{path}` is torn")
        return decode(self, path)

    monkeypatch.setattr(ImageFiles, "decode", failing)
    found, summary = predicted(predictor, jpegs, tmp_path / "out")
    assert (summary["rows"], summary["rejected"]) == (60, 1)
    assert torn not in found["id"].to_pylist()
    (rejected,) = [pyarrow.parquet.read_table(path) for path in (tmp_path / "out").rglob("*rejected*.parquet")]
    assert rejected["id"].to_pylist() == [torn]
    assert "is torn" in rejected["reason"][0].as_py()


def predicted(predictor: Any, folder: Path, out: Path) -> tuple[Any, dict[str, Any]]:
    """Run a job over JPEG files in shards of 25 rows."""
    answers = CascadeTables(predictor)
    assert answers.gate_size == SMALL
    source = open_input(folder, Roles(), predictor.signature, answers.gate_size)
    chunk = next(source.chunks(25, 0))
    assert (chunk.X.shape, at_size(chunk.X, SMALL).shape) == ((25, FULL, FULL, 1), (25, SMALL, SMALL, 1))
    identity = {"model": {}, "settings": {}, "versions": {}}
    summary = run_job(out, source, answers, identity, Settings(25), Silent())
    return pyarrow.parquet.read_table(out), summary


@pytest.mark.parametrize(("suffix", "side"), [("png", FULL), ("png", 3 * FULL), ("tif", 50), ("jpg", 20 * FULL)])
def test_a_job_decodes_once_for_both_where_the_codec_saves_nothing(
    model: CascadeClassifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, side: int
) -> None:
    decoded: Counter[str] = Counter()
    upright = image_file._upright

    def counting(image: Image.Image, *given: Any) -> Image.Image:
        decoded[Path(image.filename).name] += 1  # type: ignore[attr-defined]
        return upright(image, *given)

    by_simplejpeg = jpeg._decoded

    def counting_jpeg(content: bytes, *given: Any) -> np.ndarray:
        decoded[names[content]] += 1
        return by_simplejpeg(content, *given)

    for number in range(5):
        noise = np.random.default_rng(number).integers(0, 256, (side, side), dtype=np.uint8)
        Image.fromarray(noise).save(tmp_path / f"{number}.{suffix}")
    files = ImageFiles(sorted(tmp_path.iterdir()), (FULL, FULL, 1), FULL)
    rows = np.arange(5)
    full, small = files[rows], at_size(files, SMALL)[rows]
    names = {path.read_bytes(): path.name for path in tmp_path.iterdir()}
    # Either decoder may decode a file, but only one of them.
    monkeypatch.setattr(image_file, "_upright", counting)
    monkeypatch.setattr(jpeg, "_decoded", counting_jpeg)
    roles = Roles(pixels=PixelOptions.of(image_size=FULL))
    (chunk,) = open_input(tmp_path, roles, model.predictor_.signature, SMALL).chunks(10, 0)
    assert chunk.X.in_memory
    # The pixels are those of training, bit for bit.
    np.testing.assert_array_equal(chunk.X[rows], full)
    np.testing.assert_array_equal(at_size(chunk.X, SMALL), small)
    assert decoded == Counter({path.name: 1 for path in tmp_path.iterdir()})


def test_the_next_batch_is_made_while_one_is_used_and_errors_keep_their_place() -> None:
    made: list[int] = []

    def numbers() -> Any:
        for number in range(4):
            if number == 3:
                raise DataError("row 3 is cut")
            made.append(number)
            yield number

    coming, got = ahead(numbers()), []
    with pytest.raises(DataError, match="row 3 is cut"):
        got.extend(coming)
    assert got == made == [0, 1, 2]


def test_what_is_in_memory_is_not_fetched_ahead(tmp_path: Path) -> None:
    X, _ = scene(3)
    Image.fromarray(X[0, ..., 0]).save(tmp_path / "0.png")
    files = ImageFiles([tmp_path / "0.png"])
    assert [at_size(rows, SMALL).in_memory for rows in (X, RowView(X, np.arange(2)))] == [True, True]
    assert [rows.in_memory for rows in (files, at_size(files, SMALL), RowView(files, np.arange(1)))] == [False] * 3


def test_blocks_of_a_source_are_those_of_its_array() -> None:
    X, _ = scene(23)
    rows = np.arange(22, -1, -1)
    source, held = RowView(X, np.arange(23)), list(blocks(X, rows, 5))
    for (ours, batch), (theirs, wanted) in zip(blocks(source, rows, 5), held, strict=True):
        np.testing.assert_array_equal(ours, theirs)
        np.testing.assert_array_equal(batch, wanted)
