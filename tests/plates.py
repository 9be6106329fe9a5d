"""Plates and other stores of many images for tests."""

import numpy as np
import zarr

AXES = [{"name": "c", "type": "channel"}, *({"name": n, "type": "space"} for n in "yx")]
SHAPE = (2, 40, 48)
WELLS = ("A/1", "A/2", "B/1", "B/2")


def group(store, path, version, ome):
    """Write a group with OME-Zarr metadata."""
    attributes = {"ome": {"version": "0.5", **ome}} if version == "0.5" else ome
    form = 3 if version == "0.5" else 2
    return zarr.create_group(store, path=path, zarr_format=form, attributes=attributes)


def write_image(store, path, values, version, **more):
    """Write an image of one level; its axes are cyx or yx."""
    axes = AXES[-values.ndim :]
    scale = [{"type": "scale", "scale": [1.0, 0.5, 0.25][-values.ndim :]}]
    multiscale = {
        "name": path,
        "axes": axes,
        "datasets": [{"path": "0", "coordinateTransformations": scale}],
        **({"version": "0.4"} if version == "0.4" else {}),
    }
    made = group(store, path, version, {"multiscales": [multiscale], **more})
    options = {} if version == "0.5" else {"chunk_key_encoding": {"name": "v2", "separator": "/"}}
    made.create_array(
        "0", data=values, chunks=(1,) * (values.ndim - 2) + values.shape[-2:], **options
    )


def field(number):
    """Return the noisy pixels of a field; some are much brighter than others."""
    generator = np.random.default_rng(number)
    y, x = np.mgrid[: SHAPE[1], : SHAPE[2]]
    spot = 300 * (1 + number) * np.exp(-((y - 20) ** 2 + (x - 9 - number) ** 2) / 60)
    return generator.poisson(100 + np.stack([spot, spot[::-1]])).astype("u2")


def write_plate(store, version="0.5", *, n_fields=2, labels=True, listed=WELLS):
    """Write a plate of four wells, with an acquisition, labels and a table."""
    wells = [
        {"path": well, "rowIndex": i // 2, "columnIndex": i % 2} for i, well in enumerate(listed)
    ]
    old = {"version": "0.4"} if version == "0.4" else {}
    plate = {
        "name": "screen 7",
        "rows": [{"name": "A"}, {"name": "B"}],
        "columns": [{"name": "1"}, {"name": "2"}],
        "wells": wells,
        "field_count": n_fields,
        "acquisitions": [{"id": 0, "name": "first run"}],
        **old,
    }
    group(store, "", version, {"plate": plate})
    for row in "AB":
        group(store, row, version, {})
    for i, well in enumerate(listed):
        images = [{"path": str(k), "acquisition": 0} for k in range(n_fields)]
        group(store, well, version, {"well": {"images": images, **old}})
        for k in range(n_fields):
            write_image(store, f"{well}/{k}", field(n_fields * i + k), version)
    if labels:
        group(store, "A/1/0/labels", version, {"labels": ["nuclei"]})
        mask = (field(0)[0] > 200).astype("u1")
        write_image(store, "A/1/0/labels/nuclei", mask, version, **{"image-label": {}})
        table = zarr.create_group(
            store, path="A/1/0/tables/cells", zarr_format=3 if version == "0.5" else 2
        )
        table.create_array("area", data=np.arange(5.0))


def write_images(store, version="0.5"):
    """Write what bioformats2raw makes of a file of two images."""
    group(store, "", version, {"bioformats2raw.layout": 3})
    group(store, "OME", version, {"series": ["0", "1"]})
    for number, shape in enumerate([(2, 40, 48), (1, 30, 20)]):
        values = field(number)[: shape[0], : shape[1], : shape[2]]
        write_image(store, str(number), values, version)
