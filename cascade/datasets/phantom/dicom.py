"""The phantom's slices as DICOM files of a CT scanner."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

INTERCEPT = -1024
UNITS_A_GREY = 80 / 255
"""Grey values 0 to 255 span the brain window, 0 to 80 Hounsfield units, which restores them to the nearest unit."""


def save_slice(folder: Path, name: str, patient: str, image: NDArray[np.uint8]) -> None:
    """Write grey values (height, width) as `<name>.dcm`: uncompressed, 16 bits, one study per patient."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID, dataset.Modality = CTImageStorage, "CT"
    dataset.SOPInstanceUID = _uid("slice", name)
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = _uid("study", patient), _uid("series", patient)
    dataset.PatientID = dataset.PatientName = patient
    dataset.InstanceNumber = int(name.rpartition("_")[2]) + 1
    _set_pixels(dataset, image)
    dataset.save_as(folder / f"{name}.dcm", enforce_file_format=True)


def _uid(*names: str) -> str:
    """Return the same identifier for the same names, so that files do not differ between runs."""
    from pydicom.uid import generate_uid

    return str(generate_uid(entropy_srcs=["cascade phantom", *names]))


def _set_pixels(dataset: Any, image: NDArray[np.uint8]) -> None:
    stored = np.rint(image * UNITS_A_GREY).astype("<i2") - np.int16(INTERCEPT)
    dataset.Rows, dataset.Columns = image.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 16, 15, 1
    dataset.RescaleSlope, dataset.RescaleIntercept, dataset.RescaleType = 1, INTERCEPT, "HU"
    dataset.PixelData = stored.tobytes()
