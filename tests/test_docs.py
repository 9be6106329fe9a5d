import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_the_site_is_built_without_a_warning(tmp_path):
    shutil.copy(ROOT / ".zensical.toml", tmp_path)
    for folder in ("docs", "src"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    build = [sys.executable, "-m", "zensical", "build", "--strict", "-f", ".zensical.toml"]
    done = subprocess.run(build, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    reference = (tmp_path / "site" / "api" / "index.html").read_text()
    assert "percentiles, after the" in reference
    assert len(list((tmp_path / "site").rglob("index.html"))) >= 8
