"""The command line's entry point."""

import logging
import os
import sys
import traceback
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
from napari_clip_denoise.cli.report import JSON, print_event, warnings_as_notices
from napari_clip_denoise.credentials import without_credentials
from napari_clip_denoise.errors import ClipDenoiseError, UnexpectedError, in_words

TRACEBACK = "CLIP_DENOISE_TRACEBACK"

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


def _silence(library: str) -> None:
    """Print nothing that a library logs; whoever listens to its logger still hears it."""
    logger = logging.getLogger(library)
    logger.addHandler(logging.NullHandler())
    logger.propagate = False


def main() -> None:
    """Run ``clip-denoise``; every failure ends it with a one-sentence message.

    The exit code is 2 for invalid input, and 1 for errors that nobody foresaw, whose traceback is
    shown if the variable ``CLIP_DENOISE_TRACEBACK`` is set.
    """
    _silence("tifffile")
    try:
        with warnings_as_notices():
            app()
    except Exception as error:
        is_ours = isinstance(error, ClipDenoiseError) and not isinstance(error, UnexpectedError)
        if os.environ.get(TRACEBACK):
            print(without_credentials(traceback.format_exc()), file=sys.stderr)
        print(f"Error: {in_words(error)}", file=sys.stderr)
        code = 2 if is_ours else 1
        if JSON in sys.argv:
            print_event("error", message=in_words(error), exit_code=code)
        sys.exit(code)
