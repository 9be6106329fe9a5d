"""Looking at stores."""


def files_of(store):
    """All files of a store with their bytes."""
    return {str(f.relative_to(store)): f.read_bytes() for f in store.rglob("*") if f.is_file()}
