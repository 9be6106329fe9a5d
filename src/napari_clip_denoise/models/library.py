"""Changes in the user's folder of models: adding, renaming and deleting them."""

from pathlib import Path
from typing import TYPE_CHECKING

from napari_clip_denoise.errors import InputError, OutputError, door
from napari_clip_denoise.models.folder import AUTO, BUNDLED, SUFFIX, make_folder, models_folder
from napari_clip_denoise.models.registry import card_at, find
from napari_clip_denoise.models.zoo.files import ZIP, is_package, record_path

if TYPE_CHECKING:
    from napari_clip_denoise.models.card import ModelCard
    from napari_clip_denoise.models.checkpoint import Model


def place(name: str, *, overwrite: bool = False, suffix: str = SUFFIX) -> Path:
    """Return the path in the user's folder for a model of this name.

    Raises
    ------
    InputError
        If the name is reserved, or taken and `overwrite` is False.
    """
    if name == AUTO:
        raise InputError(f"'{AUTO}' is reserved for the bundled models; choose another name.")
    path = models_folder() / f"{name}{suffix}"
    other = path.with_suffix(ZIP if suffix == SUFFIX else SUFFIX)
    if other.exists() or (path.exists() and not overwrite):
        raise InputError(
            f"There is already a model '{name}' in {path.parent}; choose another name."
        )
    return path


def place_of_new(name: str, *, overwrite: bool = False) -> Path:
    """Return the path for a model that is yet to be made, whose name must not be a bundled one's.

    Raises
    ------
    InputError
        If the name is that of a bundled model, or cannot be used, see `place`.
    """
    if name in BUNDLED:
        raise InputError(
            f"The model '{name}' comes with the program, and a new one of that name would take its "
            "place everywhere; choose another name."
        )
    return place(name, overwrite=overwrite)


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


def add_file(
    path: str | Path, *, name: str | None = None, overwrite: bool = False, trust: bool = False
) -> str:
    """Copy a model file or package to the user's folder, and return its name.

    Parameters
    ----------
    path : str or Path
        The model file, or a package of the BioImage Model Zoo, which is loaded once to check it.
    name : str, optional
        Name of the copy; by default that on its card, or the package's identifier or title.
    overwrite : bool
        Whether to replace a model of the same name.
    trust : bool
        Whether to agree, for good, that code that the package holds is run; see `load`.

    Raises
    ------
    ModelError
        If it is not a model, or holds code that is not trusted.
    InputError
        If the name is taken or invalid.
    OutputError
        If the copy cannot be written.
    """
    if is_package(Path(path)):
        return _add_package(Path(path), name, overwrite, trust)

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
    path = _own(name)
    card = _renamed(card_at(path), new_name)
    target = place(new_name, suffix=path.suffix)
    if is_package(path):
        from napari_clip_denoise.models.zoo.importing import copy_package

        copy_package(path, target)
    else:
        from napari_clip_denoise.models.card_file import copy_model

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


def _add_package(path: Path, name: str | None, overwrite: bool, trust: bool) -> str:
    from napari_clip_denoise.models.zoo.importing import check_once, copy_package

    record = check_once(path, trust=trust)
    card = _renamed(record.card, record.card.short_name if name is None else name)
    target = place(card.name, overwrite=overwrite, suffix=ZIP)
    make_folder(target.parent)
    copy_package(path, target, record)
    return card.name


def _remove(path: Path) -> None:
    try:
        path.unlink()
        record_path(path).unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"The file {path} cannot be deleted: {error.strerror}.") from error


def _own(name: str) -> Path:
    path = find(name)
    if path.parent != models_folder():
        raise InputError(f"The model '{name}' comes with the program and cannot be changed.")
    return path
