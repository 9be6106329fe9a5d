"""``clip-denoise info``."""


def info() -> None:
    """Print versions, devices and the models folder."""
    import platform
    from importlib.metadata import PackageNotFoundError, version

    import torch

    from napari_clip_denoise.inference.engine.device import resolve_device
    from napari_clip_denoise.models.folder import models_folder

    names = (
        "napari-clip-denoise",
        "torch",
        "open_clip_torch",
        "napari",
        "zarr",
        "dask",
        "tifffile",
    )
    for name in names:
        try:
            print(f"{name:20} {version(name)}")
        except PackageNotFoundError:
            print(f"{name:20} not installed")
    print(f"{'python':20} {platform.python_version()} on {platform.platform()}")
    print(f"{'cpu threads':20} {torch.get_num_threads()}")
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        print(f"{f'cuda:{index}':20} {properties.name}, {properties.total_memory / 2**30:.0f} GiB")
    print(f"{'mps':20} {'yes' if torch.backends.mps.is_available() else 'no'}")
    print(f"{'device auto':20} {resolve_device('auto')}")
    print(f"{'models folder':20} {models_folder()}")
