"""Background work of the widgets, as generators for napari's ``thread_worker``."""
