"""Read rows of any number from arrays, tables, images and DICOM, chunk by chunk."""
