"""Read DICOM slices: headers, folders, pixel data."""
