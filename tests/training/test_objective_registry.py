import sys
from types import ModuleType

import numpy as np
import pytest
from typer.testing import CliRunner

from napari_clip_denoise.cli.app import app
from napari_clip_denoise.errors import InputError
from napari_clip_denoise.network.config import DenoiserConfig
from napari_clip_denoise.training.finetune import registry
from napari_clip_denoise.training.finetune.objective import Objective
from napari_clip_denoise.training.finetune.objectives.supervised import Supervised
from napari_clip_denoise.training.finetune.registry import (
    OBJECTIVES,
    Images,
    ObjectiveEntry,
    choose,
    objective_choices,
    objective_help,
    objective_names,
)
from napari_clip_denoise.training.finetune.settings import make_fine_tune_settings


@pytest.mark.parametrize("row", OBJECTIVES, ids=lambda row: row.name)
def test_each_row_names_its_class(row):
    found = row.load()
    assert issubclass(found, Objective)
    assert found.name == row.name
    assert callable(found.plan)


def test_a_new_objective_is_one_class_and_one_row(monkeypatch):
    """Settings, menu, help and the training itself then know it."""
    planned = []

    class Median(Supervised):
        name = "median"

        @classmethod
        def plan(cls, request):
            planned.append(request)
            raise InputError("planned")

    module = ModuleType(f"{registry.__package__}.objectives.median")
    module.Median = Median
    monkeypatch.setitem(sys.modules, module.__name__, module)
    row = ObjectiveEntry(
        "median", "Median (noisy)", "takes medians", "noisy images",
        lambda images: bool(images.noisy), "median", "Median",
    )  # fmt: skip
    monkeypatch.setattr(registry, "OBJECTIVES", (*OBJECTIVES, row))

    assert make_fine_tune_settings(objective="median").objective == "median"
    assert ("Median (noisy)", "median") in objective_choices()
    assert "median (takes medians)" in objective_help()
    with pytest.raises(InputError, match="median needs noisy images"):
        choose("median", Images([], [], []))

    from napari_clip_denoise.training.finetune.plan import make_plan

    noisy = np.zeros((64, 64), np.float32)
    with pytest.raises(InputError, match="planned"):
        make_plan(
            noisy, None, None, make_fine_tune_settings(objective="median"), network=DenoiserConfig()
        )
    assert len(planned[0].images.noisy) == 1


def test_an_unknown_objective_is_refused_with_the_known_ones():
    with pytest.raises(InputError, match=r"objective='magic'.*supervised.*synthetic"):
        make_fine_tune_settings(objective="magic")
    assert objective_names()[0] == "auto"


def test_the_command_line_describes_all_objectives():
    told = CliRunner(env={"COLUMNS": "300"}).invoke(app, ["finetune", "--help"]).output
    for row in OBJECTIVES:
        assert row.name in told


def test_settings_files_of_former_versions_are_read():
    assert make_fine_tune_settings(judge_every=7).validate_every == 7
