"""How do DICOM slices become rows? Headers, folders and pixel data."""
