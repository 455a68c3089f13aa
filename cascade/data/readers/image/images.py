"""Image files on disk: found in a folder or listed with their labels, and decoded in parallel on access."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cascade.data.readers.dataset import Dataset
from cascade.data.readers.files import PixelFiles, as_text, attempts_at, files_below, without_bad_files
from cascade.data.readers.image.file_finder import FileFinder
from cascade.data.readers.image.image_file import (
    MOST_PIXELS,
    ImageHeader,
    check_header,
    greatest_grey,
    opened,
    pixels_of,
)
from cascade.data.readers.pixels import PixelOptions
from cascade.data.readers.table.columns import Roles, listed, refuse_duplicates
from cascade.data.readers.table.lists import (
    Listed,
    group_column,
    id_column,
    label_columns,
    list_column,
    one_row_each,
    read_table,
)
from cascade.errors import DataError
from cascade.utils.types import Rows

logger = logging.getLogger("cascade.data")

Source = Callable[[list[Path]], tuple[PixelFiles, Rows]]
"""What opens files as rows, and returns them with their places among the files; bad files may be left out."""

JPEG = (".jpg", ".jpeg", ".jpe", ".jfif")
SUFFIXES = (".png", *JPEG, ".bmp", ".tif", ".tiff", ".webp")
FILE_COLUMN = "file"
PATIENT_COLUMN = "patient"
MOST_BITS = 16
SAMPLED_IMAGES = 200
"""Images of 16 bits of which the greatest value is looked for."""
OTHER_IMAGES = (
    ".gif",
    ".jp2",
    ".j2k",
    ".ppm",
    ".pgm",
    ".pbm",
    ".tga",
    ".avif",
    ".heic",
    ".heif",
    ".psd",
    ".eps",
    ".svg",
)


class ImageFiles(PixelFiles):
    """Images of one size, as uint8 of shape (n, height, width, channels); nothing is kept in memory.

    Images are turned upright as their EXIF data declare, and shown on black where they are transparent.

    Parameters
    ----------
    paths : sequence of path
    row_shape : tuple of int, optional
        Height, width and channels (grey 1, colour 3). If not given, all headers are read: images are grey if all are,
        and have the size of most.
    image_size : int, optional
        Height and width that larger images are averaged down to. The codec then decodes a JPEG at the smallest scale
        that has at least this many pixels.
    grey_bits : int, default=16
        Bits of the greatest value of grey of 16 bits, which becomes 255: 12 for many X-rays.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        row_shape: tuple[int, ...] | None = None,
        image_size: int | None = None,
        grey_bits: int | None = None,
    ) -> None:
        super().__init__(paths)
        self.image_size = image_size
        self.grey_bits = MOST_BITS if grey_bits is None else grey_bits
        if row_shape is None:
            row_shape = _shape_of([_header(path) for path in paths], image_size)
        self.colour = row_shape[2] == 3
        self.shape = (len(paths), *row_shape)

    @classmethod
    def survey(
        cls, paths: Sequence[Path], image_size: int | None, leave_out: bool, grey_bits: int | None = None
    ) -> tuple[ImageFiles, Rows]:
        """Read all headers, and return the images that fit each other with their places among `paths`.

        If `grey_bits` is not given, it is found out from the first images of 16 bits.

        Raises
        ------
        DataError
            If an image is bad or has another size than most, unless such images are to be left out.
        """
        headers = list(attempts_at(_header, paths))
        good = [header for header in headers if not isinstance(header, DataError)]
        # Without any good header, the error is raised here.
        if not good:
            without_bad_files(headers, leave_out)
        deep = [path for path, header in zip(paths, headers, strict=True) if getattr(header, "deep", False)]
        bits = grey_bits or (_bits_of(deep) if deep else None)
        images = cls(paths, _shape_of(good, image_size), image_size, bits)
        rows = without_bad_files([images._fit(*pair) for pair in zip(paths, headers, strict=True)], leave_out)
        _describe(images, good)
        return images.only(rows), rows

    def at_size(self, size: int) -> ImageFiles:
        """Return the same images at another size; the codec reduces them as far as it can."""
        return ImageFiles(self.paths, (size, size, self.shape[3]), size, self.grey_bits)

    def look(self, path: Path) -> ImageHeader:
        """Read the header and raise for an image of another size."""
        header = _header(path)
        self._check_size(path, header.size)
        return header

    def decode(self, path: Path) -> NDArray[np.uint8]:
        """Check the header, then decode."""
        with opened(path) as image:
            header = check_header(path, image)
            self._check_size(path, header.size)
            return pixels_of(path, image, header, self.colour, self.image_size, self.grey_bits).reshape(self.shape[1:])

    def _fit(self, path: Path, header: ImageHeader | DataError) -> ImageHeader | DataError:
        try:
            if isinstance(header, ImageHeader):
                self._check_size(path, header.size)
        except DataError as error:
            return error
        return header

    def _check_size(self, path: Path, size: tuple[int, int]) -> None:
        if self.image_size is not None:
            if max(size) ** 2 > MOST_PIXELS:
                raise DataError(f"`{path}` is {size[0]}x{size[1]} pixels, too long to be made square.")
            if max(size) < self.image_size:
                raise DataError(
                    f"`{path}` must not be smaller than `image_size` ({self.image_size}). Received {size[0]}x{size[1]}."
                )
        elif size != (self.shape[2], self.shape[1]):
            wanted = f"{self.shape[2]}x{self.shape[1]}"
            raise DataError(f"`{path}` must be {wanted} pixels like the others. Received {size[0]}x{size[1]}.")


def _header(path: Path) -> ImageHeader:
    with opened(path) as image:
        return check_header(path, image)


def _shape_of(headers: list[ImageHeader], image_size: int | None) -> tuple[int, int, int]:
    """Return the row shape that images have in common: their most frequent size, and colour if any has colour."""
    width, height = Counter(header.size for header in headers).most_common(1)[0][0]
    return image_size or height, image_size or width, 3 if any(header.colour for header in headers) else 1


def _bits_of(paths: list[Path]) -> int:
    """Return the bits of the greatest value in some of the images, 8 or more."""
    chosen = [paths[k] for k in np.unique(np.linspace(0, len(paths) - 1, SAMPLED_IMAGES).astype(int))]
    greatest = max((greatest_grey(path) for path in chosen), default=0)
    bits = max(8, greatest.bit_length())
    logger.info(
        "data: %d images are grey of 16 bits; %d becomes white (`data.grey_bits: %d`)", len(paths), 2**bits - 1, bits
    )
    return bits


def _describe(images: ImageFiles, headers: list[ImageHeader]) -> None:
    """Log how images of several kinds are read."""
    n, n_colour = len(headers), sum(header.colour for header in headers)
    height, width = images.shape[1:3]
    logger.info("data: %d images, read as %dx%d pixels in %s", n, width, height, "colour" if n_colour else "grey")
    if 0 < n_colour < n:
        logger.warning("data: %d of %d images are grey, the others in colour; all are read in colour", n - n_colour, n)
    transparent = sum(header.transparent for header in headers)
    if transparent:
        logger.info("data: %d of %d images may be transparent; they are shown on black", transparent, n)


def image_shape(path: Path, row_shape: tuple[int, ...] | None) -> tuple[int, ...]:
    """Return the image shape of a model's rows; raise if its rows are no images of grey or colour."""
    if row_shape is None or len(row_shape) != 3 or row_shape[2] not in (1, 3):
        raise DataError(f"`{path}` holds images; the model takes rows of shape {row_shape}. Give it arrays or a table.")
    return row_shape


def read_image_folder(folder: Path, roles: Roles, labelled: bool, row_shape: tuple[int, ...] | None = None) -> Dataset:
    """Read a folder of images with its `labels.csv`; for prediction the list is optional.

    The list has a column `file` (name relative to the folder), one column per label, and optionally a group. With the
    `row_shape` of a model, grey images are converted to colour or colour images to grey, as the model needs.
    """
    if row_shape is not None:
        row_shape = image_shape(folder, row_shape)
    source = partial(_open, roles=roles, row_shape=row_shape, check=labelled)
    listing = roles.label_file or folder / "labels.csv"
    if listing.exists():
        return read_listed(folder, listing, roles, labelled, source)
    if labelled:
        raise DataError(f"`{folder}` must hold `labels.csv` with a column {FILE_COLUMN!r} and one column per label.")
    wanted = roles.within(())
    if wanted.group or wanted.id:
        raise DataError(f"`{folder}` must hold `labels.csv` with a column {wanted.group or wanted.id!r}.")
    names = files_below(folder, SUFFIXES)
    paths = [folder / name for name in names]
    if not paths:
        raise DataError(f"`{folder}` must hold {', '.join(SUFFIXES)} files. Received none.")
    warn_passed_over(folder)
    images, rows = source(paths)
    ids = np.array([as_text(names[row]) for row in rows])
    return Dataset(images, None, (), None, ids, pixels=pixels_as_read(roles, images))


def _open(paths: list[Path], roles: Roles, row_shape: tuple[int, ...] | None, check: bool) -> tuple[ImageFiles, Rows]:
    """Open images as rows of a shape, or of the one that they have in common."""
    pixels = roles.pixels
    if row_shape is None:
        return ImageFiles.survey(paths, pixels.image_size, roles.leave_out_bad_files, pixels.grey_bits)
    images = ImageFiles(paths, row_shape, pixels.image_size, pixels.grey_bits)
    rows = np.arange(len(paths))
    if check:
        rows = without_bad_files(list(images.headers(rows)), roles.leave_out_bad_files)
    return images.only(rows), rows


def warn_passed_over(folder: Path) -> None:
    """Warn about images in a folder whose format is not supported."""
    names = sorted(path.name for path in folder.rglob("*") if path.suffix.lower() in OTHER_IMAGES)
    if names:
        logger.warning("data: skipped %d files of unsupported formats, such as %r", len(names), names[0])


def read_listed(folder: Path, listing: Path, roles: Roles, labelled: bool, source: Source) -> Dataset:
    """Read the files that a table lists, with their labels; `source` opens them as rows."""
    table = read_table(listing, roles.format)
    file_column = roles.file or FILE_COLUMN
    if file_column not in table.column_names:
        raise DataError(
            f"`{listing}` has no column {file_column!r} with the names of the files; name it with `data.file`. Its "
            f"columns are {listed(table.column_names)}."
        )
    files = np.array([str(name) for name in table[file_column].to_pylist()])
    # Without a named group, a column `patient` is the group if there is one.
    optional = roles.optional if roles.group else roles.optional | {PATIENT_COLUMN}
    roles = replace(roles, group=roles.group or PATIENT_COLUMN, optional=optional).within(table.column_names)
    named = _labels(table, listing, file_column, roles) if labelled else Listed((), None, None)
    if roles.label_list is not None and roles.label_list.id == file_column:
        table, named, files = one_row_each(table, named, files)
    refuse_duplicates(files, listing, file_column)
    ids = files if roles.id is None else id_column(table, listing, roles.id)
    groups = group_column(table, listing, roles.group)
    finder, must_exist = FileFinder(folder, listing), not roles.leave_out_bad_files
    # All headers are checked now if there are labels: one bad file must not stop a run after the gate was trained.
    images, rows = source([finder.find(name, row, must_exist) for row, name in enumerate(files.tolist())])
    part = named.part(rows)
    return Dataset(
        images,
        part.Y,
        part.names,
        None if groups is None else groups[rows],
        ids[rows],
        known=part.known,
        pixels=pixels_as_read(roles, images),
    )


def pixels_as_read(roles: Roles, images: PixelFiles) -> PixelOptions:
    """Return the options of pixels with the bits of grey that were found out."""
    bits = getattr(images, "grey_bits", MOST_BITS)
    return replace(roles.pixels.of_images(), grey_bits=None if bits == MOST_BITS else bits)


def _labels(table: pa.Table, listing: Path, file_column: str, roles: Roles) -> Listed:
    if roles.label_list is not None:
        return list_column(table, listing, roles.label_list, roles.labels)
    others = {file_column, roles.group, roles.id, *roles.drop}
    names = roles.labels or tuple(n for n in table.column_names if n not in others)
    try:
        Y, known = label_columns(table, listing, names, roles.missing_labels, roles.uncertain)
    except DataError as error:
        hint = (
            ""
            if roles.labels
            else " Every column but file, group and id is a label; name them with `data.labels` (or --labels)."
        )
        raise DataError(f"{error}{hint}") from error
    return Listed(tuple(names), Y, known)
