import dataclasses
import json

import numpy as np
import pytest

from helpers import predict, runtime
from helpers.audio import descriptors
from helpers.beyond import recipe
from helpers.config import SubsystemConfig, TrainConfig
from helpers.data import datasets
from helpers.features import building
from helpers.training import cross_validation

RESULTS = runtime.PROJECT / "docs" / "results"


def test_every_row_of_the_ablation_differs_from_the_full_model_in_what_its_name_says():
    rows = recipe.ablation()
    full = rows["full model"]
    kinds = {(row.features, row.network, row.train) for row in rows.values()}
    assert len(kinds) == len(rows), "no row twice"
    for name, row in rows.items():
        changed = [kind for kind in ("features", "network", "train") if getattr(row, kind) != getattr(full, kind)]
        assert len(changed) == (name != "full model"), name
    assert descriptors.width(rows["with deltas"].features) == descriptors.width(full.features) + 39
    assert rows["no SpecAugment"].train.time_mask_width == 0 != full.train.time_mask_width
    assert rows["soft attention"].network.attention == "soft"


def test_an_unknown_result_is_missed_by_name():
    with pytest.raises(FileNotFoundError, match="no-such-result"):
        recipe.result("no-such-result")


def test_the_committed_ablation_has_a_command_and_a_seed_and_settings_that_can_be_trained_again():
    table = recipe.results({name: f"ablation-*-{recipe.slug(name)}" for name in [*recipe.ablation(), "nothing"]})
    assert table.loc["full model", "luna2022, folds"] == 5 and table.loc["full model", "random, accuracy"] == "80.30"
    assert table.loc["no augmentation", "luna2022, gain"] == "-5.5 (-8.0 to -2.8)"
    assert "nothing" not in table.index and (table.parameters != "").all()
    trained = [path for name in ("ablation", "joint", "table-4.3") for path in RESULTS.glob(f"{name}-*.json")]
    assert len(trained) > 40
    for path in trained:
        stored = json.loads(path.read_text())
        config = stored["config"]
        assert config["seed"] == 0 and SubsystemConfig(**config["audio"]) and TrainConfig(**config["train"])
        assert config["model"] in cross_validation.MODELS and stored["n"] > 0 and stored["command"]


def test_the_ablations_rows_were_trained_as_they_say():
    for name, row in recipe.ablation().items():
        for protocol in ("luna2022", "random"):
            path = RESULTS / f"ablation-{protocol}-{recipe.slug(name)}.json"
            if path.is_file():
                config = json.loads(path.read_text())["config"]
                assert SubsystemConfig(**config["audio"]) == row.network and TrainConfig(**config["train"]) == row.train


def test_the_headline_names_models_and_leaves_out_what_was_not_trained():
    table = recipe.results()
    assert list(table.index) == [row for row in recipe.HEADLINE if row in table.index] and len(table) >= 12
    assert table.loc["face: action units, SVM", "luna2022, accuracy"] == "60.42"


@pytest.mark.slow
def test_the_full_model_is_trained_exported_and_answers_a_clip(clips, tmp_path):
    row = recipe.ablation()["full model"]
    network = dataclasses.replace(row.network, units=4, convolution=4, fc_units=4)
    train = dataclasses.replace(row.train, epochs=1, mixup=0.2)
    table = datasets.load("synthetic", str(clips))
    heard = building.build(table, tmp_path / "cache", streams=("audio",), audio=row.features, progress=False)
    options = {"out": tmp_path / "audio", "train": train, "audio": network, "progress": False}
    cross_validation.cross_validate(heard, "audio", "random", 2, **options)
    predictor = predict.Predictor.load(tmp_path / "audio", fold=1)
    answer = predictor.predict(table.video_path[0])
    assert sum(answer.probabilities.values()) == pytest.approx(1, abs=1e-5)
    attention, times = answer.attention["audio"], answer.times["audio"]
    assert len(attention) == len(times) == heard.audio_length[0] and attention.sum() == pytest.approx(1, abs=1e-3)
    assert times[0] > row.features.n_fft / 2 / row.features.rate, "the silence before the speech is trimmed"
    predict.export(tmp_path / "audio", tmp_path / "model.zip")
    again = predict.Predictor.load(tmp_path / "model.zip").predict(table.video_path[0])
    assert np.allclose(list(again.probabilities.values()), list(answer.probabilities.values()), atol=1e-2)
