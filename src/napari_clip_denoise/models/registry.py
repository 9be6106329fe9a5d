"""Models by name: those bundled with the package and those in the user's folder."""

from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from napari_clip_denoise.errors import InputError, ModelError, OutputError
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
    from napari_clip_denoise.models.card import ModelCard
    from napari_clip_denoise.models.checkpoint import Model
    from napari_clip_denoise.network.encoder import Encoder


@dataclass(frozen=True)
class Entry:
    """A model that can be loaded by its name."""

    name: str
    path: Path
    origin: Literal["bundled", "user"]

    @property
    def card(self) -> "ModelCard":
        """The model's card, read from its file."""
        from napari_clip_denoise.models.card_file import read_card

        return read_card(self.path)


def entries() -> list[Entry]:
    """List the models that can be loaded by name; the user's go before bundled namesakes."""
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
        Whether the images are RGB; chooses the bundled model that ``"auto"`` stands for, which
        is no model without it.

    Raises
    ------
    ModelError
        If there is none; the message lists what there is.
    """
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
        Local file with CLIP's RN50 weights, for a model that holds only a decoder. Without
        it they come from open_clip's cache or its download.

    Raises
    ------
    ModelError
        If there is no such model, or it is damaged or incomplete.
    """
    path = find(name_or_path, rgb=rgb)
    from napari_clip_denoise.models.checkpoint import load_model

    def encoder() -> "Encoder":
        from napari_clip_denoise.models.clip_encoder import load_clip_encoder

        return load_clip_encoder(clip_weights)

    return load_model(path, encoder=encoder)


def place(name: str, *, overwrite: bool = False) -> Path:
    """Find where in the user's folder a model of this name belongs.

    Raises
    ------
    InputError
        If there is one of that name and `overwrite` is not set, or it cannot be one.
    """
    if name == AUTO:
        raise InputError(f"'{AUTO}' stands for the bundled models; choose another name.")
    path = models_folder() / f"{name}{SUFFIX}"
    if path.exists() and not overwrite:
        raise InputError(
            f"There is already a model '{name}' in {path.parent}; choose another name."
        )
    return path


def install(model: "Model", *, overwrite: bool = False) -> Path:
    """Put a model into the user's folder, under the name on its card.

    Raises
    ------
    InputError
        If there is one of that name and `overwrite` is not set.
    OutputError
        If it cannot be written.
    """
    from napari_clip_denoise.models.checkpoint import save_model

    path = place(model.card.name, overwrite=overwrite)
    make_folder(path.parent)
    save_model(model, path)
    return path


def add_file(path: str | Path) -> str:
    """Copy a model file into the user's folder, under the name on its card, and give that name.

    Raises
    ------
    ModelError
        If it is no model file.
    InputError
        If there is a model of that name.
    OutputError
        If it cannot be written.
    """
    from napari_clip_denoise.models.card_file import copy_model, read_card

    card = read_card(path)
    target = place(card.name)
    make_folder(target.parent)
    copy_model(Path(path), target, card)
    return card.name


def rename(name: str, new_name: str) -> Path:
    """Give a model of the user's folder another name, on its card too.

    Raises
    ------
    ModelError, InputError
        If it is no model of the user, or the new name is taken or cannot be one.
    OutputError
        If the files cannot be written or deleted.
    """
    from pydantic import ValidationError

    from napari_clip_denoise.models.card import ModelCard
    from napari_clip_denoise.models.card_file import copy_model, read_card

    path = _own(name)
    try:
        card = ModelCard.model_validate(read_card(path).model_dump() | {"name": new_name})
    except ValidationError as error:
        raise InputError(
            f"'{new_name}' cannot be the name of a model; use letters, digits, '.', '_' and '-'."
        ) from error
    target = place(new_name)
    copy_model(path, target, card)
    _remove(path)
    return target


def delete(name: str) -> None:
    """Delete a model of the user's folder for good.

    Raises
    ------
    ModelError, InputError
        If it is no model of the user.
    OutputError
        If its file cannot be deleted.
    """
    _remove(_own(name))


def _remove(path: Path) -> None:
    try:
        path.unlink()
    except OSError as error:
        raise OutputError(f"The file {path} cannot be deleted: {error.strerror}.") from error


def _own(name: str) -> Path:
    path = find(name)
    if path.parent != models_folder():
        raise InputError(f"The model '{name}' comes with the program and stays as it is.")
    return path
