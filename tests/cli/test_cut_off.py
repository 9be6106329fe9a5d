import numpy as np
import pytest
import tifffile


@pytest.mark.parametrize("compression", ["lzw", "zlib"])
def test_a_file_that_is_cut_off_is_refused_by_the_command(cli, tiny_file, tmp_path, compression):
    path = tmp_path / "a.tif"
    values = np.random.default_rng(0).integers(0, 999, (9, 40, 50), np.uint16)
    tifffile.imwrite(path, values, compression=compression)
    content = path.read_bytes()
    path.write_bytes(content[: int(0.3 * len(content))])
    code, _, err = cli("denoise", path, tmp_path / "out.tif", "--model", tiny_file)
    assert code == 2
    assert "a.tif" in err
    assert not (tmp_path / "out.tif").exists()
