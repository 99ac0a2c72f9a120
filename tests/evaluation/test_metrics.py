import json

import pandas as pd
import pytest

from helpers.evaluation import __main__ as command
from helpers.evaluation import metrics, published

# Fold 1: three of four right. Fold 2: one of two.
PREDICTIONS = pd.DataFrame({"label": [0, 0, 0, 1, 0, 1], "prediction": [0, 0, 1, 1, 0, 0], "fold": [1, 1, 1, 1, 2, 2]})


def test_the_numbers_are_those_computed_by_hand():
    numbers = metrics.summarise(PREDICTIONS, ("calm", "happy"), protocol="random")
    assert numbers["fold_accuracy"] == [0.75, 0.5]
    assert (numbers["average"], numbers["best"], numbers["lowest"], numbers["std"]) == (0.625, 0.75, 0.5, 0.125)
    assert numbers["per_class"] == {"calm": 0.75, "happy": 0.5} and numbers["uar"] == 0.625
    assert numbers["accuracy"] == pytest.approx(4 / 6) and numbers["chance"] == pytest.approx(4 / 6)
    assert numbers["macro_f1"] == pytest.approx((0.75 + 0.5) / 2)
    assert numbers["n"] == 6 and numbers["folds"] == 2 and numbers["protocol"] == "random"
    json.dumps(numbers)


def test_rows_of_the_confusion_matrix_are_true_and_columns_predicted():
    assert metrics.confusion(PREDICTIONS, ("calm", "happy")).tolist() == [[3, 1], [1, 1]]
    assert metrics.confusion(PREDICTIONS, ("calm", "happy", "sad")).shape == (3, 3), "absent classes keep their place"


def test_an_emotion_with_no_test_clip_is_left_out_of_the_averages():
    numbers = metrics.summarise(PREDICTIONS, ("calm", "happy", "sad"))
    assert numbers["uar"] == 0.625 and "sad" not in numbers["per_class"]


def test_the_table_shows_the_thesis_beside_ones_own_numbers():
    own = metrics.summarise(PREDICTIONS, ("calm", "happy"), protocol="random")
    table = metrics.table({"fusion": own, "thesis": published.THESIS["fusion"]})
    assert table.loc["fusion", "average"] == 62.5 and table.loc["thesis", "average"] == 91.25
    assert table.loc["fusion", "clips"] == 6 and {"best", "lowest", "std", "UAR", "chance"} <= set(table.columns)


def test_the_command_prints_the_table_or_says_what_is_missing(tmp_path, capsys):
    (tmp_path / "audio").mkdir()
    numbers = metrics.summarise(PREDICTIONS, ("calm", "happy"), protocol="random")
    (tmp_path / "audio" / "summary.json").write_text(json.dumps(numbers))
    command.main(tmp_path)
    assert "62.5" in capsys.readouterr().out
    (tmp_path / "audio" / "summary.json").write_text("")
    with pytest.raises(SystemExit, match=r"audio/summary\.json cannot be used \(.*run the same again"):
        command.main(tmp_path)
    with pytest.raises(SystemExit, match="run the notebooks first"):
        command.main(tmp_path / "nowhere")


def test_the_best_fold_is_the_one_with_most_right_and_comes_with_its_clips():
    k, accuracy, rows = metrics.best_fold(PREDICTIONS)
    assert (k, accuracy) == (1, 0.75) and len(rows) == 4


def test_the_most_confident_wrong_predictions_come_first_with_what_was_predicted():
    rows = PREDICTIONS.assign(clip_id=list("abcdef"), actor=1, p_calm=[0.9, 0.8, 0.3, 0.1, 0.7, 0.6])
    rows["p_happy"] = 1 - rows.p_calm
    worst = metrics.most_confident_wrong(rows, ("calm", "happy"))
    assert worst.clip_id.tolist() == ["c", "f"] and worst.confidence.tolist() == pytest.approx([0.7, 0.6])
    assert worst[["true", "predicted"]].to_numpy().tolist() == [["calm", "happy"], ["happy", "calm"]]
    assert len(metrics.most_confident_wrong(rows, ("calm", "happy"), n=1)) == 1
    assert metrics.most_confident_wrong(rows[:2], ("calm", "happy")).empty
