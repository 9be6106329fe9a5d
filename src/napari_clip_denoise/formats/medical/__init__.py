"""Medical formats: DICOM series and files of many frames, NIfTI."""
