"""Medical formats: DICOM series, multi-frame DICOM files and NIfTI."""
