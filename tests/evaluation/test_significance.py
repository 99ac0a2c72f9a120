import json
import math
import time

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from helpers.evaluation import metrics, significance

CLASSES = ("calm", "happy", "sad")


def made(label, prediction, actor=1, confidence=0.8, fold=1):
    """A table of predictions: `confidence` to the class said, the rest shared by the others."""
    label, prediction = np.asarray(label), np.asarray(prediction)
    confidence = np.broadcast_to(np.asarray(confidence, dtype=float), label.shape)
    probabilities = np.repeat((1 - confidence)[:, None] / (len(CLASSES) - 1), len(CLASSES), axis=1)
    probabilities[np.arange(len(label)), prediction] = confidence
    table = pd.DataFrame({"actor": actor, "label": label, "prediction": prediction, "fold": fold})
    table.insert(0, "clip_id", [f"clip-{n:04d}" for n in range(len(label))])
    return table.assign(**{f"p_{name}": probabilities[:, n] for n, name in enumerate(CLASSES)})


def drawn(rng, n, accuracy, actors=1):
    """n clips, each right with the probability `accuracy` (a number, or one for each clip)."""
    label = rng.integers(3, size=n)
    prediction = np.where(rng.random(n) < accuracy, label, (label + 1) % 3)
    return made(label, prediction, actor=np.arange(n) % actors + 1)


def people_who_differ():
    """Ten actors of twenty clips: all of five are right, none of the other five."""
    actor = np.repeat(np.arange(1, 11), 20)
    label = np.arange(200) % 3
    return made(label, np.where(actor <= 5, label, (label + 1) % 3), actor)


@pytest.mark.parametrize("metric", ["accuracy", "uar"])
def test_the_interval_covers_the_truth_as_often_as_it_says(metric):
    covered = 0
    for number in range(100):
        table = drawn(np.random.default_rng(number), 150, 0.7)
        low, high = significance.interval(table, metric, resamples=200, seed=number)
        covered += low <= 0.7 <= high
    assert covered >= 90


def test_the_interval_of_the_accuracy_is_that_of_the_binomial_distribution():
    low, high = significance.interval(made([0] * 400, [0] * 300 + [1] * 100), resamples=4000)
    half = 1.96 * math.sqrt(0.75 * 0.25 / 400)
    assert (low, high) == pytest.approx((0.75 - half, 0.75 + half), abs=0.006)
    narrow = significance.interval(made([0] * 400, [0] * 300 + [1] * 100), level=0.5)
    assert low < narrow[0] < 0.75 < narrow[1] < high


def test_people_that_differ_make_the_interval_by_actor_wider():
    low, high = significance.interval(people_who_differ(), by="clip")
    wide_low, wide_high = significance.interval(people_who_differ(), by="actor")
    assert wide_low < low < 0.5 < high < wide_high and wide_high - wide_low > 2 * (high - low)
    alike = made([0, 1, 2, 0] * 6, [0, 1, 2, 1] * 6, actor=np.repeat(np.arange(6), 4))
    assert significance.interval(alike, by="actor") == (0.75, 0.75), "an actor's clips go along together"


def test_the_same_seed_gives_the_same_interval_and_another_seed_another():
    table = drawn(np.random.default_rng(0), 97, 0.6)
    assert significance.interval(table, seed=3) == significance.interval(table, seed=3)
    assert significance.interval(table, seed=3, resamples=50) != significance.interval(table, seed=4, resamples=50)


def test_a_resample_that_misses_a_class_uses_the_classes_it_has():
    # Actor 1 has the class 0 only, all right; actor 2 the class 1 only, all wrong.
    table = made([0, 0, 1, 1], [0, 0, 2, 2], actor=[1, 1, 2, 2])
    assert significance.interval(table, "uar", by="actor") == (0.0, 1.0)
    alone = made([0, 0, 0], [0, 0, 0])
    assert significance.interval(alone, "uar") == (1.0, 1.0), "classes that never occur count for nothing"


def test_uar_weighs_the_classes_and_not_the_clips():
    table = made([0] * 90 + [1] * 10, [0] * 100)
    assert significance.interval(table, "uar") == (0.5, 0.5)
    assert significance.interval(table, "accuracy")[0] > 0.8


def test_two_thousand_resamples_of_a_whole_dataset_take_less_than_two_seconds():
    table = drawn(np.random.default_rng(0), 1440, 0.8, actors=24)
    started = time.process_time()
    significance.interval(table, "uar")
    assert time.process_time() - started < 2


def test_an_interval_that_cannot_be_is_refused():
    table = made([0, 1], [0, 1])
    for options, words in (
        ({"by": "actor"}, "one actor"),
        ({"by": "fold"}, "'fold'"),
        ({"metric": "loss"}, "'loss'"),
        ({"level": 95}, "95"),
        ({"resamples": 0}, "resamples 0"),
    ):
        with pytest.raises(ValueError, match=words):
            significance.interval(table, **options)
    with pytest.raises(ValueError, match="no clip"):
        significance.interval(table[:0])


def test_mcnemar_counts_the_clips_that_only_one_system_has_right():
    label = [0] * 20
    a = made(label, [0] * 10 + [0] * 8 + [1] * 2)
    b = made(label, [0] * 10 + [1] * 8 + [0] * 2)
    result = significance.mcnemar(a, b.sample(frac=1, random_state=0))
    assert (result["only_a"], result["only_b"], result["n"]) == (8, 2, 20)
    by_hand = 2 * sum(math.comb(10, k) for k in range(3)) / 2**10
    assert result["p"] == pytest.approx(by_hand) == pytest.approx(binomtest(8, 10, 0.5).pvalue)
    turned = significance.mcnemar(b, a)
    assert (turned["only_a"], turned["only_b"], turned["p"]) == (2, 8, pytest.approx(by_hand))
    json.dumps(result)


def test_mcnemar_finds_no_difference_between_a_system_and_itself():
    table = drawn(np.random.default_rng(0), 30, 0.5)
    assert significance.mcnemar(table, table) == {"only_a": 0, "only_b": 0, "n": 30, "p": 1.0}


def test_a_difference_is_drawn_clip_by_clip_so_what_is_hard_for_both_does_not_widen_it():
    label = np.zeros(400, int)
    a = made(label, np.repeat([0, 1], 200))  # the second half is too hard
    b = made(label, np.repeat([0, 1], [220, 180]))  # and 20 more are right
    seen, low, high = significance.difference(a, b.sample(frac=1, random_state=0))
    assert seen == 0.05 and 0.025 < low < 0.05 < high < 0.08
    one, other = significance.interval(a), significance.interval(b)
    assert high - low < 0.6 * (one[1] - one[0]) and one[1] > other[0], "each by itself could not tell them apart"
    assert significance.difference(b, a)[0] == -0.05 and significance.difference(a, a) == (0, 0, 0)


def test_a_difference_that_one_actor_alone_makes_is_no_difference_between_people():
    label, actor = np.zeros(100, int), np.repeat(np.arange(10), 10)
    a = made(label, np.ones(100, int)).assign(actor=actor)
    b = made(label, (actor != 3).astype(int)).assign(actor=actor)
    assert significance.difference(a, b)[1] > 0.03
    seen, low, high = significance.difference(a, b, by="actor")
    assert (seen, low) == (0.1, 0) and high >= 0.2
    with pytest.raises(ValueError, match="1 clips are in only one"):
        significance.difference(a, b[1:])
    with pytest.raises(ValueError, match="cannot be drawn"):
        significance.difference(a.assign(actor=1), b, by="actor")


def test_mcnemar_refuses_tables_of_other_clips_or_labels():
    table = made([0, 1, 2, 0], [0, 1, 2, 1])
    with pytest.raises(ValueError, match="3 clips are in only one"):
        significance.mcnemar(table, table[:1])
    with pytest.raises(ValueError, match="2 clips are in only one"):
        significance.mcnemar(table[:3], table[1:])
    with pytest.raises(ValueError, match="2 clips have another label"):
        significance.mcnemar(table, table.assign(label=[0, 1, 1, 1]))
    with pytest.raises(ValueError, match="1 rows of the second table repeat a clip"):
        significance.mcnemar(table, pd.concat([table, table[:1]]))
    with pytest.raises(ValueError, match="no clip"):
        significance.mcnemar(table[:0], table[:0])


def test_the_bins_of_the_calibration_are_those_counted_by_hand():
    table = made([0, 0, 0, 0, 0], [0, 1, 0, 0, 1], confidence=[0.55, 0.6, 0.95, 1.0, 0.91])
    rows = significance.calibration(table)
    assert list(rows.columns) == ["confidence", "accuracy", "count"]
    assert rows["count"].tolist() == [0, 0, 0, 0, 0, 2, 0, 0, 0, 3], "a bin holds its upper edge"
    assert rows.confidence[5] == pytest.approx(0.575) and rows.accuracy[5] == 0.5
    assert rows.confidence[9] == pytest.approx(2.86 / 3) and rows.accuracy[9] == pytest.approx(2 / 3)
    assert rows.accuracy.drop([5, 9]).isna().all()
    assert significance.ece(table) == pytest.approx((2 * abs(0.575 - 0.5) + 3 * abs(2.86 / 3 - 2 / 3)) / 5)
    # All five in one bin: the gap of the two means.
    assert significance.ece(table, bins=1) == pytest.approx(abs(4.01 / 5 - 3 / 5))


def test_the_calibration_error_is_zero_where_confidence_and_accuracy_agree():
    table = made([0] * 20, [0] * 8 + [1] * 2 + [0] * 6 + [1] * 4, confidence=[0.8] * 10 + [0.6] * 10)
    assert significance.ece(table) == pytest.approx(0)
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.4, 1, size=20000)
    label = np.zeros(20000, int)
    honest = made(label, (rng.random(20000) > confidence).astype(int), confidence=confidence)
    assert significance.ece(honest) < 0.015


def test_the_calibration_error_of_the_over_confident_is_their_excess():
    sure = made([0] * 10, [0] * 6 + [1] * 4, confidence=1.0)
    assert significance.ece(sure) == pytest.approx(0.4)
    assert significance.ece(made([0] * 10, [1] * 10, confidence=1.0)) == pytest.approx(1)


def test_a_table_without_probabilities_is_refused():
    table = made([0, 1], [0, 1])
    with pytest.raises(ValueError, match="p_"):
        significance.ece(table.drop(columns=[f"p_{name}" for name in CLASSES]))
    with pytest.raises(ValueError, match="1 clips have probabilities that are absent"):
        significance.calibration(table.assign(p_sad=[0.1, float("nan")]))
    with pytest.raises(ValueError, match="2 clips"):
        significance.calibration(table.assign(p_sad=80.0))
    with pytest.raises(ValueError, match="bins is 0"):
        significance.calibration(table, bins=0)


def test_the_most_confused_pairs_come_first_and_know_which_was_true():
    table = made([0, 0, 0, 0, 1, 1, 1, 2, 2], [0, 1, 1, 2, 1, 0, 1, 0, 0])
    rows = significance.confused(table, CLASSES)
    assert rows.to_numpy().tolist() == [
        ["calm", "happy", 2, 0.5],
        ["sad", "calm", 2, 1.0],
        ["calm", "sad", 1, 0.25],
        ["happy", "calm", 1, pytest.approx(1 / 3)],
    ]
    assert list(rows.columns) == ["true", "predicted", "count", "share"]
    assert len(significance.confused(table, CLASSES, n=1)) == 1
    assert significance.confused(made([0, 1], [0, 1]), CLASSES).empty


def test_each_group_has_its_own_accuracy_and_uar():
    table = made([0, 0, 0, 1, 2, 2], [0, 0, 1, 1, 2, 0], actor=[7, 7, 7, 7, 3, 3], fold=[1, 2, 1, 2, 1, 2])
    rows = significance.by_group(table, "actor")
    assert rows.index.tolist() == [3, 7] and rows.index.name == "actor"
    assert rows.accuracy.tolist() == [0.5, 0.75] and rows.n.tolist() == [2, 4]
    assert rows.uar.tolist() == [0.5, pytest.approx((2 / 3 + 1) / 2)]
    whole = metrics.summarise(table, CLASSES)
    assert significance.by_group(table.assign(all="x"), "all").uar["x"] == pytest.approx(whole["uar"])
    assert significance.by_group(table, "fold").accuracy.tolist() == whole["fold_accuracy"]
    with pytest.raises(ValueError, match="no column 'sex'"):
        significance.by_group(table, "sex")


def test_the_report_is_plain_json_and_draws_actors_where_the_protocol_is_by_actor():
    table = people_who_differ()
    by_clip, by_actor = (significance.report(table, CLASSES, protocol) for protocol in ("random", "actor"))
    assert by_clip["interval_by"] == "clip" and by_actor["interval_by"] == "actor"
    assert by_clip["accuracy_interval"] == list(significance.interval(table, "accuracy", "clip"))
    assert by_actor["uar_interval"] == list(significance.interval(table, "uar", "actor"))
    assert by_clip["actor_accuracy"] == {"lowest": 0.0, "highest": 1.0, "std": 0.5}
    assert by_clip["ece"] == pytest.approx(0.3)
    assert by_clip["confused"][0] == ["happy", "sad", 34] and len(by_clip["confused"]) == 3
    assert json.loads(json.dumps(by_actor, allow_nan=False)) == by_actor


def test_the_report_of_one_actor_says_that_its_interval_is_by_clip():
    numbers = significance.report(made([0, 1, 2], [0, 1, 1]), CLASSES, "actor")
    assert numbers["interval_by"] == "clip" and numbers["actor_accuracy"]["std"] == 0
