"""The command line's entry point."""

import sys
from typing import Annotated

import typer

from napari_clip_denoise.cli import (
    batch,
    demo,
    denoise,
    evaluate,
    features,
    finetune,
    info,
    models,
    plan,
    train,
)
from napari_clip_denoise.errors import ClipDenoiseError

app = typer.Typer(
    name="clip-denoise",
    help="Denoise microscopy and medical images of any size with frozen CLIP features.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(is_asked: bool) -> None:
    if is_asked:
        from napari_clip_denoise import __version__

        print(__version__)
        raise typer.Exit


@app.callback()
def _options(
    _: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    pass


app.command()(denoise.denoise)
app.command()(plan.plan)
app.command()(batch.batch)
app.add_typer(models.app)
app.command()(demo.demo)
app.command()(train.train)
app.command()(finetune.finetune)
app.command()(evaluate.evaluate)
app.command()(features.features)
app.command()(info.info)


def main() -> None:
    """Run ``clip-denoise``; invalid input ends it with a one-sentence message and exit code 2."""
    try:
        app()
    except ClipDenoiseError as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(2)
