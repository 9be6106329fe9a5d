"""``clip-denoise models``."""

from pathlib import Path
from typing import Annotated

import typer

from napari_clip_denoise.cli.options import ClipWeightsOption
from napari_clip_denoise.cli.parts.unused import refuse_unused, refuse_unused_weights
from napari_clip_denoise.errors import ClipDenoiseError, InputError

app = typer.Typer(name="models", help="List, show, build and manage models.", no_args_is_help=True)


@app.command("list")
def list_models() -> None:
    """List the models that can be used by name."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from napari_clip_denoise.models.folder import CLIP_MODEL
    from napari_clip_denoise.models.registry import entries

    table = Table("name", "channels", "where", "description", box=None, pad_edge=False)
    found = entries()
    for entry in found:
        try:
            card = entry.card
        except ClipDenoiseError as error:
            table.add_row(escape(entry.name), "", "damaged", escape(str(error)))
            continue
        kind = "grey" if card.network.channels == 1 else "RGB"
        table.add_row(escape(entry.name), kind, entry.origin, escape(card.description))
    if CLIP_MODEL not in {entry.name for entry in found}:
        table.add_row(
            CLIP_MODEL, "", "not ready", "the paper's network; import a checkpoint or build it"
        )
    Console().print(table)


@app.command()
def show(name: Annotated[str, typer.Argument(help="Name of a model, or a file.")]) -> None:
    """Show a model's card."""
    from rich.console import Console

    from napari_clip_denoise.models.card_view import as_json
    from napari_clip_denoise.models.registry import card_at, find

    Console().print_json(as_json(card_at(find(name))))


@app.command("import")
def import_model(
    file: Annotated[
        Path,
        typer.Argument(
            help="The authors' net_g_latest.pth, a model file (.safetensors), or a package of the "
            "BioImage Model Zoo (.zip, or its folder)."
        ),
    ],
    name: Annotated[
        str | None,
        typer.Option(help="Name for the model; by default clip-rn50, or that on its card."),
    ] = None,
    overwrite: Annotated[bool, typer.Option(help="Replace a model of that name.")] = False,
    trust: Annotated[
        bool,
        typer.Option(
            "--trust",
            help="Agree that code in a package is run, which TorchScript does when it is loaded; "
            "only if you trust its authors.",
        ),
    ] = False,
) -> None:
    """Import a checkpoint of the paper's authors, a model trained elsewhere, or a package."""
    from napari_clip_denoise.models.folder import CLIP_MODEL, SUFFIX
    from napari_clip_denoise.models.library import add_file, install
    from napari_clip_denoise.models.zoo.files import is_package

    refuse_unused(is_package(file), "packages of the BioImage Model Zoo", trust=trust)
    if file.suffix == SUFFIX or is_package(file):
        print(f"Imported '{add_file(file, name=name, overwrite=overwrite, trust=trust)}'")
        return

    from napari_clip_denoise.models.paper_checkpoint import import_published

    name = name or CLIP_MODEL
    model = import_published(file, name)
    path = install(model, overwrite=overwrite)
    kind = "one channel (CT)" if model.card.network.channels == 1 else "RGB"
    print(f"Imported '{name}', {kind}, to {path}")


@app.command()
def build(
    name: Annotated[str, typer.Argument(help="clip-rn50.")],
    data: Annotated[
        Path | None, typer.Option(help="Folder of clean images to learn from; none is needed.")
    ] = None,
    minutes: Annotated[float, typer.Option(help="How long to train, about.")] = 60,
    run: Annotated[
        Path | None, typer.Option(help="Folder for the state; by default beside your models.")
    ] = None,
    clip_weights: ClipWeightsOption = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, mps or auto.")] = "cpu",
    overwrite: Annotated[bool, typer.Option(help="Replace a model of that name.")] = False,
) -> None:
    """Build a model on this computer: download CLIP's encoder and train a decoder for it."""
    from napari_clip_denoise.models.folder import CLIP_MODEL

    if name != CLIP_MODEL:
        raise InputError(f"'{name}' cannot be built; only {CLIP_MODEL} can.")

    from napari_clip_denoise.training.pretrain.build import build_clip

    def report(entry: dict[str, float]) -> None:
        score = ""
        if "score" in entry:
            score = f"  check set {entry['noisy']:.2f} -> {entry['score']:.2f} dB"
        print(
            f"step {entry['step']:.0f}/{entry['steps']:.0f}  loss {entry['loss']:.4f}  "
            f"{entry['seconds']:.0f} s{score}",
            flush=True,
        )

    print(
        build_clip(
            data,
            minutes=minutes,
            run=run,
            clip_weights=clip_weights,
            device=device,
            overwrite=overwrite,
            on_start=lambda sentence: print(sentence, flush=True),
            on_progress=report,
        )
    )


@app.command()
def path() -> None:
    """Print the path of the folder with your own models."""
    from napari_clip_denoise.models.folder import models_folder

    print(models_folder())


@app.command()
def rename(
    name: Annotated[str, typer.Argument(help="One of your own models.")],
    new_name: Annotated[str, typer.Argument(help="What to call it.")],
) -> None:
    """Rename one of your own models."""
    from napari_clip_denoise.models import library

    print(library.rename(name, new_name))


@app.command()
def delete(
    name: Annotated[str, typer.Argument(help="One of your own models.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Delete one of your own models permanently."""
    from napari_clip_denoise.models import library

    if yes or typer.confirm(f"Delete the model '{name}' for good?"):
        library.delete(name)


@app.command()
def export(
    name: Annotated[str, typer.Argument(help="Name of a model, or a file.")],
    file: Annotated[Path, typer.Argument(help="The file to write.")],
    format: Annotated[  # noqa: A002
        str | None,
        typer.Option(
            help="safetensors (all there is to the model), onnx (the bare network) or bioimageio "
            "(a package of the BioImage Model Zoo). By default what the file's ending says."
        ),
    ] = None,
    author: Annotated[
        list[str] | None, typer.Option(help="Who made it, for the zoo; may be given again.")
    ] = None,
    clip_weights: ClipWeightsOption = None,
    overwrite: Annotated[bool, typer.Option(help="Replace an existing file.")] = False,
) -> None:
    """Write a model to a file, to share it with colleagues or use it in other programs."""
    from napari_clip_denoise.models.export import export_model, format_for

    chosen = format_for(file, format)
    refuse_unused(chosen == "bioimageio", "packages of the BioImage Model Zoo", author=author)
    refuse_unused(chosen != "safetensors", "ONNX files and packages", clip_weights=clip_weights)
    refuse_unused_weights(clip_weights, name)
    print(
        export_model(
            name,
            file,
            format=chosen,
            authors=author or (),
            clip_weights=clip_weights,
            overwrite=overwrite,
        )
    )
