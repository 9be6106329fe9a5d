"""Snakemake wrapper for ``clip-denoise denoise``."""

import os
import shlex
import subprocess
from pathlib import Path

options = shlex.split(snakemake.params.get("extra", ""))  # noqa: F821 given by Snakemake
command = ["clip-denoise", "denoise", snakemake.input[0], snakemake.output[0]]  # noqa: F821
command += ["--threads", str(snakemake.threads), "--json", *options]  # noqa: F821
log = Path(snakemake.log[0]) if snakemake.log else Path(os.devnull)  # noqa: F821
with log.open("w") as lines:
    subprocess.run(command, check=True, stdout=lines)
