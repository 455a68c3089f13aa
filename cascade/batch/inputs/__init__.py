"""How are rows read in chunks? From arrays, tables, images and DICOM slices, one shard at a time."""
