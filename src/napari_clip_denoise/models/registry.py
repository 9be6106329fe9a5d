"""Models by name: those bundled with the package and those in the user's folder."""

from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from napari_clip_denoise.errors import InputError, ModelError, OutputError, door
from napari_clip_denoise.models.folder import (
    AUTO,
    CLIP_MODEL,
    DEFAULT_MODEL,
    RGB_MODEL,
    SUFFIX,
    make_folder,
    models_folder,
)

if TYPE_CHECKING:
    from napari_clip_denoise.models.card import EncoderCard, ModelCard
    from napari_clip_denoise.models.checkpoint import Model
    from napari_clip_denoise.network.encoder import Encoder


@dataclass(frozen=True)
class Entry:
    """A model that can be loaded by its name.

    Attributes
    ----------
    name : str
        Name in the registry.
    path : Path
        The model file.
    origin : {"bundled", "user"}
        Whether it is bundled with the package or in the user's folder.
    """

    name: str
    path: Path
    origin: Literal["bundled", "user"]

    @property
    def card(self) -> "ModelCard":
        """The model's card, read from its file."""
        from napari_clip_denoise.models.card_file import read_card

        return read_card(self.path)


def entries() -> list[Entry]:
    """List the models that can be loaded by name; the user's take precedence over bundled ones."""
    bundled = Path(str(resources.files("napari_clip_denoise.models") / "weights"))
    found: dict[str, Entry] = {}
    for folder, origin in ((bundled, "bundled"), (models_folder(), "user")):
        for path in sorted(folder.glob(f"*{SUFFIX}")):
            found[path.stem] = Entry(path.stem, path, origin)  # type: ignore[arg-type]
    return sorted(found.values(), key=lambda entry: (entry.name != DEFAULT_MODEL, entry.name))


def find(name_or_path: str | Path, *, rgb: bool | None = None) -> Path:
    """Find the file of a model.

    Parameters
    ----------
    name_or_path : str or Path
        A name in the registry or a ``.safetensors`` file.
    rgb : bool, optional
        Whether the images are RGB, which selects the bundled model for the name ``"auto"``. That
        name is unknown without it.

    Returns
    -------
    Path
        The model file.

    Raises
    ------
    ModelError
        If the model does not exist; the message lists the known ones.
    """
    if not isinstance(name_or_path, (str, Path)):
        raise ModelError(
            "A model is given by its name, its file or a loaded model, not by a "
            f"{type(name_or_path).__name__}; {AUTO} chooses one."
        )
    if str(name_or_path) == AUTO and rgb is not None:
        name_or_path = RGB_MODEL if rgb else DEFAULT_MODEL
    path = Path(name_or_path)
    if path.suffix == SUFFIX:
        if path.is_file():
            return path
        raise ModelError(f"There is no model file {path}.")
    known = {entry.name: entry.path for entry in entries()}
    if str(name_or_path) in known:
        return known[str(name_or_path)]
    if str(name_or_path) == CLIP_MODEL:
        raise ModelError(
            "The model 'clip-rn50' has no decoder yet; import the authors' checkpoint with "
            "'clip-denoise models import net_g_latest.pth --name clip-rn50', or train one with "
            "'clip-denoise models build clip-rn50'."
        )
    raise ModelError(
        f"There is no model '{name_or_path}'; give a {SUFFIX} file or one of: "
        f"{', '.join(known) or 'none installed'}."
    )


@door
def load(
    name_or_path: str | Path,
    *,
    rgb: bool | None = None,
    clip_weights: str | Path | None = None,
) -> "Model":
    """Load a model.

    Parameters
    ----------
    name_or_path, rgb :
        See `find`.
    clip_weights : str or Path, optional
        Local file with the weights of its CLIP encoder, for a model that contains only a decoder.
        By default a copy on this computer is used, or they are downloaded to open_clip's cache.

    Returns
    -------
    Model
        The model, in evaluation mode, float32, on the CPU.

    Raises
    ------
    ModelError
        If the model does not exist, is damaged or incomplete.
    """
    path = find(name_or_path, rgb=rgb)
    from napari_clip_denoise.models.checkpoint import load_model

    def encoder(card: "EncoderCard") -> "Encoder":
        from napari_clip_denoise.models.clip_encoder import load_clip_encoder
        from napari_clip_denoise.models.clip_source import ClipSource

        return load_clip_encoder(clip_weights, source=ClipSource.parse(card.weights))

    return load_model(path, encoder=encoder)


def place(name: str, *, overwrite: bool = False) -> Path:
    """Return the path in the user's folder for a model of this name.

    Raises
    ------
    InputError
        If the name is reserved, or taken and `overwrite` is False.
    """
    if name == AUTO:
        raise InputError(f"'{AUTO}' is reserved for the bundled models; choose another name.")
    path = models_folder() / f"{name}{SUFFIX}"
    if path.exists() and not overwrite:
        raise InputError(
            f"There is already a model '{name}' in {path.parent}; choose another name."
        )
    return path


@door
def install(model: "Model", *, overwrite: bool = False) -> Path:
    """Save a model in the user's folder, under the name on its card.

    Parameters
    ----------
    model : Model
        The model to save.
    overwrite : bool
        Whether to replace a model of the same name.

    Returns
    -------
    Path
        The model file.

    Raises
    ------
    InputError
        If the name is taken and `overwrite` is False.
    OutputError
        If the file cannot be written.
    """
    from napari_clip_denoise.models.checkpoint import save_model

    path = place(model.card.name, overwrite=overwrite)
    make_folder(path.parent)
    save_model(model, path)
    return path


def add_file(path: str | Path, *, name: str | None = None, overwrite: bool = False) -> str:
    """Copy a model file to the user's folder, and return its name.

    Parameters
    ----------
    path : str or Path
        The model file.
    name : str, optional
        Name of the copy; by default that on its card.
    overwrite : bool
        Whether to replace a model of the same name.

    Raises
    ------
    ModelError
        If it is not a model file.
    InputError
        If the name is taken or invalid.
    OutputError
        If the copy cannot be written.
    """
    from napari_clip_denoise.models.card_file import copy_model, read_card

    card = read_card(path)
    if name is not None:
        card = _renamed(card, name)
    target = place(card.name, overwrite=overwrite)
    make_folder(target.parent)
    copy_model(Path(path), target, card)
    return card.name


def rename(name: str, new_name: str) -> Path:
    """Rename a model in the user's folder, including its card, and return the new path.

    Raises
    ------
    ModelError, InputError
        If it is not a user's model, or the new name is taken or invalid.
    OutputError
        If the files cannot be written or deleted.
    """
    from napari_clip_denoise.models.card_file import copy_model, read_card

    path = _own(name)
    card = _renamed(read_card(path), new_name)
    target = place(new_name)
    copy_model(path, target, card)
    _remove(path)
    return target


def delete(name: str) -> None:
    """Permanently delete a model in the user's folder.

    Raises
    ------
    ModelError, InputError
        If it is not a user's model.
    OutputError
        If its file cannot be deleted.
    """
    _remove(_own(name))


def _renamed(card: "ModelCard", name: str) -> "ModelCard":
    from pydantic import ValidationError

    try:
        return type(card).model_validate(card.model_dump() | {"name": name})
    except ValidationError as error:
        raise InputError(
            f"'{name}' cannot be the name of a model; use letters, digits, '.', '_' and '-'."
        ) from error


def _remove(path: Path) -> None:
    try:
        path.unlink()
    except OSError as error:
        raise OutputError(f"The file {path} cannot be deleted: {error.strerror}.") from error


def _own(name: str) -> Path:
    path = find(name)
    if path.parent != models_folder():
        raise InputError(f"The model '{name}' comes with the program and cannot be changed.")
    return path
