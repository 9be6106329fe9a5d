import threading

import pytest
import torch
from lightning_fabric import Fabric
from torch import nn

from napari_clip_denoise.errors import InputError, OutputError
from napari_clip_denoise.training.checkpoint import load_checkpoint, save_checkpoint
from napari_clip_denoise.training.optimisation import Optimisation
from napari_clip_denoise.training.prefetch import prefetch
from napari_clip_denoise.training.trainer import Trainer, decay_of

SETTINGS = Optimisation(
    steps=20, warm_up=2, learning_rate=0.1, average_decay=0.5, train_encoder=False
)


def trainer(**options):
    torch.manual_seed(0)
    network = nn.Conv2d(1, 1, 1)
    fabric = Fabric(accelerator="cpu", devices=1)
    return Trainer(fabric, network, network, SETTINGS, seed=3, **options)


def draw(step):
    return torch.full((2, 1, 4, 4), 1.0 + step % 3)


def loss_of(network, batch):
    return (network(batch) + 0.01 * torch.rand(1) - 2 * batch).square().mean()


def until(last):
    return lambda step: step if step < last else None


def test_steps_are_counted_timed_by_the_schedule_and_end():
    training = trainer()
    steps = list(training.steps(draw, loss_of, until(20)))
    assert [step.done for step in steps] == list(range(1, 21))
    assert [step.rate for step in steps[:3]] == pytest.approx([0.05, 0.1, 0.1])
    assert steps[-1].rate < 0.01
    assert steps[-1].loss < 0.3 * steps[0].loss
    assert torch.equal(steps[4].batch, draw(4))
    assert list(training.steps(draw, loss_of, until(20))) == []


def test_the_average_follows_the_weights():
    training = trainer()
    average = training.average["weight"].clone()
    for step in training.steps(draw, loss_of, until(6)):
        weight = training.part.state_dict()["weight"]
        average = torch.lerp(average, weight, 1 - decay_of(step.done - 1, 0.5))
        torch.testing.assert_close(training.average["weight"], average)
    assert not torch.equal(average, weight)


@pytest.mark.parametrize("former", [False, True])
def test_a_training_goes_on_from_its_state(tmp_path, former):
    whole = trainer()
    list(whole.steps(draw, loss_of, until(12)))
    first, second = trainer(), trainer()
    list(first.steps(draw, loss_of, until(7)))
    save_checkpoint(tmp_path / "run" / "last.pt", first.state())
    state = load_checkpoint(tmp_path / "run" / "last.pt", "start anew")
    if former:
        state["denoiser"], state["optimizer"] = state.pop("weights"), state.pop("optimiser")
    second.resume(state)
    assert [step.done for step in second.steps(draw, loss_of, until(12))] == [8, 9, 10, 11, 12]
    for name, value in whole.state()["weights"].items():
        assert torch.equal(second.state()["weights"][name], value)
        assert torch.equal(second.average[name], whole.average[name])


def test_a_gradient_that_is_not_finite_is_refused_on_request():
    def endless(network, batch):
        return network(batch).sum() * float("inf")

    with pytest.raises(RuntimeError, match="non-finite"):
        list(trainer().steps(draw, endless, until(1)))
    assert len(list(trainer(refuse_nonfinite=False).steps(draw, endless, until(1)))) == 1


def test_batches_are_drawn_one_ahead_in_a_thread_that_ends():
    drawn = []
    before = threading.active_count()

    def note(step):
        drawn.append((step, threading.current_thread()))
        return step

    batches = prefetch(note, 5)
    assert [next(batches) for _ in range(3)] == [(5, 5), (6, 6), (7, 7)]
    batches.close()
    assert [step for step, _ in drawn] == [5, 6, 7, 8]
    assert all(thread is not threading.current_thread() for _, thread in drawn)
    assert threading.active_count() == before


def test_an_error_while_drawing_ends_the_training():
    def fail(step):
        if step == 3:
            raise OSError("gone")
        return draw(step)

    with pytest.raises(OSError, match="gone"):
        list(trainer().steps(fail, loss_of, until(20)))


def test_a_state_is_whole_or_not_there(tmp_path, monkeypatch):
    path = tmp_path / "last.pt"
    save_checkpoint(path, {"step": 1})
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match="could not be written"):
        save_checkpoint(tmp_path / "file" / "last.pt", {"step": 2})
    assert load_checkpoint(path, "start anew") == {"step": 1}
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match="damaged; start anew"):
        load_checkpoint(path, "start anew")
