"""``python -m napari_clip_denoise``, the same as ``clip-denoise``."""

from napari_clip_denoise.cli.start import main

if __name__ == "__main__":
    main()
