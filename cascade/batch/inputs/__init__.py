"""How are rows read in chunks? From arrays, tables, images and DICOM slices of any number."""
