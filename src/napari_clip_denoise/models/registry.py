"""Models by name: those bundled with the package and those in the user's folder."""

from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from napari_clip_denoise.errors import ModelError, door
from napari_clip_denoise.models.folder import (
    AUTO,
    CLIP_MODEL,
    DEFAULT_MODEL,
    RGB_MODEL,
    SUFFIX,
    models_folder,
)
from napari_clip_denoise.models.zoo.files import ZIP, is_package

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
        return card_at(self.path)


def entries() -> list[Entry]:
    """List the models that can be loaded by name; the user's take precedence over bundled ones."""
    bundled = Path(str(resources.files("napari_clip_denoise.models") / "weights"))
    found: dict[str, Entry] = {}
    for folder, origin in ((bundled, "bundled"), (models_folder(), "user")):
        for path in sorted((*folder.glob(f"*{ZIP}"), *folder.glob(f"*{SUFFIX}"))):
            found[path.stem] = Entry(path.stem, path, origin)  # type: ignore[arg-type]
    return sorted(found.values(), key=lambda entry: (entry.name != DEFAULT_MODEL, entry.name))


def card_at(path: Path) -> "ModelCard":
    """Read the card of a model file or package.

    Raises
    ------
    ModelError
        If it is missing, damaged or unsuitable.
    InputError
        If a library that is needed to read a package is not installed.
    """
    if is_package(path):
        from napari_clip_denoise.models.zoo.model import package_card

        return package_card(path)
    from napari_clip_denoise.models.card_file import read_card

    return read_card(path)


def find(name_or_path: str | Path, *, rgb: bool | None = None) -> Path:
    """Find the file of a model.

    Parameters
    ----------
    name_or_path : str or Path
        A name in the registry, a ``.safetensors`` file, or a package of the BioImage Model Zoo: a
        ``.zip`` or a folder.
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
    if path.suffix == SUFFIX or is_package(path):
        if path.exists():
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
        f"There is no model '{name_or_path}'; give a {SUFFIX} file, a package or one of: "
        f"{', '.join(known) or 'none installed'}."
    )


@door
def load(
    name_or_path: str | Path,
    *,
    rgb: bool | None = None,
    clip_weights: str | Path | None = None,
    trust: bool = False,
) -> "Model":
    """Load a model.

    Parameters
    ----------
    name_or_path, rgb :
        See `find`.
    clip_weights : str or Path, optional
        Local file with the weights of its CLIP encoder, for a model that contains only a decoder.
        By default a copy on this computer is used, or they are downloaded to open_clip's cache.
    trust : bool
        Whether to load the network of a package although that runs code that it holds, as
        TorchScript does. ONNX does not.

    Returns
    -------
    Model
        The model, in evaluation mode, float32, on the CPU.

    Raises
    ------
    ModelError
        If the model does not exist, is damaged or incomplete, or holds code that is not trusted.
    """
    path = find(name_or_path, rgb=rgb)
    if is_package(path):
        from napari_clip_denoise.models.zoo.model import load_package

        return load_package(path, trust=trust)
    from napari_clip_denoise.models.checkpoint import load_model

    def encoder(card: "EncoderCard") -> "Encoder":
        from napari_clip_denoise.models.clip_encoder import load_clip_encoder
        from napari_clip_denoise.models.clip_source import ClipSource

        return load_clip_encoder(clip_weights, source=ClipSource.parse(card.weights))

    return load_model(path, encoder=encoder)
