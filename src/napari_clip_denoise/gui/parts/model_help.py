"""Help for the chosen model, and the steps that are needed before it can be used."""

from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from napari_clip_denoise.errors import ClipDenoiseError
from napari_clip_denoise.gui.forms.layer import LayerForm
from napari_clip_denoise.gui.model_list import model_list
from napari_clip_denoise.gui.parts.clip_remedy import ClipRemedy
from napari_clip_denoise.gui.parts.encoder_remedy import EncoderRemedy
from napari_clip_denoise.models.card_view import own_scale, unsuitable_reason
from napari_clip_denoise.models.clip_cache import lacks_encoder
from napari_clip_denoise.models.clip_source import ClipSource
from napari_clip_denoise.models.folder import AUTO, CLIP_MODEL
from napari_clip_denoise.models.registry import card_at, entries, find
from napari_clip_denoise.models.zoo.card import ZooCard

OF_OTHERS = (
    "'{}' is a package of other authors and brings its own intensity mapping; its card in the "
    "Models panel says whom to cite."
)


class ModelHelp(QWidget):
    """Shows help if a model is missing, incomplete, damaged, or unsuitable for the layer.

    Parameters
    ----------
    form : LayerForm
        Form with the model and the layer.
    """

    def __init__(self, form: LayerForm):
        super().__init__()
        self._form = form
        self._chosen = form.model.value
        self.note = QLabel("")
        self.note.setWordWrap(True)
        self.remedy = ClipRemedy(self._use_clip)
        self.encoder_remedy = EncoderRemedy(self.refresh)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for part in (self.note, self.remedy, self.encoder_remedy):
            layout.addWidget(part)
        form.model.changed.connect(self.refresh)
        form.layer.changed.connect(self.refresh)
        form.intensity.changed.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Check the model again; a model that no longer exists is removed from the menus."""
        name = self._form.model.value
        names = {entry.name for entry in entries()}
        if name not in {AUTO, CLIP_MODEL, *names}:
            self._chosen = name
            model_list.changed.emit()
            return
        before, self._chosen = self._chosen, name
        needs_decoder = name == CLIP_MODEL and CLIP_MODEL not in names
        needs_encoder, words = (False, "") if needs_decoder else self._read_card(name)
        if before not in self._form.model.choices:
            words = f"The model '{before}' no longer exists; another one is selected now."
        self.note.setText(words)
        self.note.setVisible(bool(words))
        self.remedy.setVisible(needs_decoder)
        self.encoder_remedy.setVisible(needs_encoder)
        self.setVisible(bool(words) or needs_decoder or needs_encoder)

    def _read_card(self, name: str) -> tuple[bool, str]:
        """Return whether the encoder is missing, and a remark on the model, possibly empty."""
        layer = self._form.layer.value
        is_rgb = layer is not None and layer.rgb
        try:
            card = card_at(find(name, rgb=is_rgb))
        except ClipDenoiseError as error:
            return False, str(error)
        self.encoder_remedy.offer(ClipSource.parse(card.encoder.weights))
        if isinstance(card, ZooCard):
            return False, OF_OTHERS.format(card.name)
        remarks = (
            own_scale(card, self._form.intensity.value),
            ("" if layer is None else unsuitable_reason(card, rgb=is_rgb)),
        )
        return lacks_encoder(card), " ".join(filter(None, remarks))

    def _use_clip(self) -> None:
        self._form.model.value = CLIP_MODEL
        self.refresh()
