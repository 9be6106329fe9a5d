import pytest
from qtpy.QtCore import QCoreApplication, QObject, QTimer

from napari_clip_denoise.gui.panel.turns import Turns, at_once, in_steps


def steps(log, name, number, answer=None):
    for each in range(number):
        log.append(f"{name}{each}")
        yield
    return answer


def test_each_step_has_a_turn_of_the_event_loop(qtbot):
    owner, log = QObject(), []
    turns = Turns(owner)
    turns.add(steps(log, "a", 2))
    turns.add(steps(log, "b", 1))
    assert log == []
    between = QTimer(owner)
    between.timeout.connect(lambda: log.append("."))
    between.start(0)
    qtbot.waitUntil(lambda: "b0" in log)
    shown = "".join(log)
    assert [x for x in log if x != "."] == ["a0", "a1", "b0"]
    assert "a0a1" not in shown
    assert "a1b0" not in shown


def test_a_step_that_handles_events_is_not_entered_again(qtbot):
    owner, log = QObject(), []
    turns = Turns(owner)

    def busy():
        log.append("begins")
        QCoreApplication.processEvents()
        log.append("ends")
        yield

    turns.add(busy())
    turns.add(steps(log, "a", 1))
    qtbot.waitUntil(lambda: "a0" in log)
    assert log == ["begins", "ends", "a0"]


def test_what_fails_does_not_stop_the_rest(qtbot):
    owner, log = QObject(), []
    turns = Turns(owner)
    with qtbot.captureExceptions() as exceptions:
        turns.add(in_steps(lambda: 1 / 0))
        turns.add(steps(log, "a", 1))
        qtbot.waitUntil(lambda: log == ["a0"])
    assert [kind for kind, *_ in exceptions] == [ZeroDivisionError]


def test_what_is_dropped_is_not_done(qtbot):
    owner, log = QObject(), []
    turns = Turns(owner)

    def drop():
        turns.clear()
        yield

    turns.add(drop())
    turns.add(steps(log, "a", 1))
    qtbot.wait(50)
    turns.add(steps(log, "b", 1))
    qtbot.waitUntil(lambda: log == ["b0"])


@pytest.mark.parametrize("act", [lambda: "said", lambda: steps([], "a", 2, "said")])
def test_functions_and_generators_return_the_same(act):
    said = []

    def keep():
        said.append((yield from in_steps(act)))

    at_once(keep())
    assert said == ["said"]
