"""How many DICOM slices a second become rows, with and without the compiled decoders.

    python benchmarks/dicom.py --slices 16

Slices of the phantom at 512 px, as int16 uncompressed, packed as RLE and as lossless JPEG 2000, decoded to the three
windows of `rsna` at 128 px, best of three passes each; and the headers alone. "Without" leaves out pylibjpeg and GDCM:
RLE is then unpacked in Python, JPEG 2000 by Pillow. "Alone" is pydicom's `pixel_array` of the same files: its processor
time on one thread, of that of the rows.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
from pydicom.pixels import get_decoder, pixel_array
from pydicom.uid import JPEG2000Lossless, RLELossless

from cascade.data.readers.dicom.slices import DicomFiles
from cascade.data.readers.pixels import PixelOptions
from cascade.datasets.phantom.dicom import save_slice
from cascade.datasets.phantom.patients import Patient
from cascade.datasets.phantom.render import render_patient

SIDE, ROUNDS = 512, 7
OPTIONS = PixelOptions.of(image_size=128)
PACKED = {"RLE": RLELossless, "JPEG 2000": JPEG2000Lossless}


def write_plain(folder: Path, n_slices: int) -> list[Path]:
    labels = np.zeros((n_slices, 6), np.uint8)
    for place, image in enumerate(render_patient(Patient(0, labels), SIDE, seed=0)):
        save_slice(folder, f"slice_{place:04d}", "p00000", image[:, :, 0])
    return sorted(folder.glob("*.dcm"))


def pack(paths: list[Path], syntax: str, folder: Path) -> list[Path]:
    folder.mkdir()
    for path in paths:
        dataset = pydicom.dcmread(path)
        dataset.compress(syntax, generate_instance_uid=False)
        dataset.save_as(folder / path.name)
    return sorted(folder.glob("*.dcm"))


def rate(work: Callable[[], object], rows: int) -> float:
    seconds = []
    for _ in range(3):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return rows / min(seconds)


def of_pixels_alone(paths: list[Path]) -> float:
    """Processor time of `pixel_array`, of that of complete rows; the least of rounds in which both take turns."""
    slices, taken = DicomFiles(paths, OPTIONS), {pixel_array: np.inf, DicomFiles.decode: np.inf}
    for _ in range(ROUNDS):
        for work, call in ((pixel_array, pixel_array), (DicomFiles.decode, slices.decode)):
            started = time.process_time()
            for path in paths:
                call(path)
            taken[work] = min(taken[work], time.process_time() - started)
    return float(taken[pixel_array] / taken[DicomFiles.decode])


def decoded(paths: list[Path]) -> float:
    slices = DicomFiles(paths, OPTIONS)
    return rate(lambda: slices[np.arange(len(paths))], len(paths))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slices", type=int, default=16)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plain = write_plain(folder, options.slices)
        base = decoded(plain)
        print(f"headers       {rate(lambda: list(DicomFiles(plain, OPTIONS).look_at_all()), len(plain)):7.0f} rows/s")
        print(f"uncompressed  {base:7.0f} rows/s; pixel_array alone takes {of_pixels_alone(plain):.2f} of their time")
        for title, syntax in PACKED.items():
            paths = pack(plain, syntax, folder / title)
            compiled, alone = decoded(paths), of_pixels_alone(paths)
            for plugin in {"pylibjpeg", "gdcm"} & set(get_decoder(syntax).available_plugins):
                get_decoder(syntax).remove_plugin(plugin)
            without = decoded(paths)
            print(
                f"{title:12}  {compiled:7.0f} rows/s, {compiled / base:.2f} of uncompressed, alone {alone:.2f}; "
                f"without {without:.0f}, {without / base:.2f}; {compiled / without:.1f} times"
            )


if __name__ == "__main__":
    main()
