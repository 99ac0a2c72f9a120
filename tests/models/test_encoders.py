import warnings

import keras
import numpy as np
import pytest

from helpers.config import FusionConfig, SubsystemConfig
from helpers.models import subsystems

KINDS = {
    "bidirectional": {"bidirectional": True, "layers": 2},
    "both ways, LSTM": {"bidirectional": True, "cell": "lstm", "layers": 1},
    "transformer": {"cell": "transformer", "layers": 2, "rnn_dropout": 0.1},
    "temporal-aware": {"cell": "tim", "layers": 3, "rnn_dropout": 0.1},
    "nothing": {"cell": "none"},
    "everything": {
        "frame_stacking": 3,
        "convolution": 6,
        "bidirectional": True,
        "layers": 1,
        "attention": "attentive_statistics",
    },
}


def subsystem(kind, **options):
    config = SubsystemConfig.audio(**{"units": 8, "fc_units": 6, **KINDS[kind], **options})
    plain = np.zeros(5, "float32"), np.ones(5, "float32")
    keras.utils.set_random_seed(0)
    return subsystems.audio_subsystem(5, config, n_classes=3, normalisation=plain)


def clips(steps=11):
    rng = np.random.default_rng(0)
    return {"audio": rng.normal(size=(3, steps, 5)).astype("float32"), "audio_length": np.array([3, 7, 11], "int32")}


@pytest.mark.parametrize("kind", KINDS)
def test_padding_never_changes_an_answer_and_every_real_step_does(kind):
    model, given = subsystem(kind), clips()
    plain = np.asarray(model(given))
    wider = np.pad(given["audio"], ((0, 0), (0, 6), (0, 0)), constant_values=77.0)
    for row, length in enumerate(given["audio_length"]):
        wider[row, length:] = 77
    assert np.allclose(plain, np.asarray(model({**given, "audio": wider})), atol=1e-5)
    for step in range(3):
        changed = given["audio"].copy()
        changed[0, step] += 1
        assert not np.allclose(plain[0], np.asarray(model({**given, "audio": changed}))[0], atol=1e-6), step


@pytest.mark.parametrize("kind", KINDS)
def test_keras_warns_of_no_mask_that_a_layer_would_destroy(kind):
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*mask.*")
        subsystem(kind, convolution=4)(clips())


@pytest.mark.parametrize(
    "kind",
    [kind if kind in ("everything", "transformer") else pytest.param(kind, marks=pytest.mark.slow) for kind in KINDS],
)
def test_it_learns_is_saved_and_answers_the_same_again(kind, tmp_path):
    model, given = subsystem(kind), clips()
    # Run eagerly, since to compile the network takes longer than these few steps.
    model.compile(keras.optimizers.Adam(0.03), "sparse_categorical_crossentropy", run_eagerly=True)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*mask.*")
        history = model.fit(given, np.array([0, 1, 2]), epochs=15, verbose=0).history["loss"]
    assert history[-1] < 0.5 * history[0]
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert np.allclose(np.asarray(model(given)), np.asarray(again(given)), atol=1e-6)


def test_both_ways_the_first_step_hears_the_last():
    def first_step(bidirectional, last):
        keras.utils.set_random_seed(0)
        config = SubsystemConfig(units=4, bidirectional=bidirectional)
        sequence, length = subsystems.stream_inputs("audio", 5)
        steps, _, _ = subsystems.encode("audio", sequence, length, config)
        given = clips()
        given["audio"][:, -1] += last
        return np.asarray(keras.Model({"audio": sequence, "audio_length": length}, steps)(given))[2, 0]

    assert np.allclose(first_step(False, 0), first_step(False, 5))
    assert not np.allclose(first_step(True, 0), first_step(True, 5))


def test_a_transformer_knows_in_which_order_the_steps_came():
    model, given = subsystem("transformer"), clips()
    turned = given["audio"].copy()
    turned[2] = turned[2, ::-1]
    assert not np.allclose(np.asarray(model(given))[2], np.asarray(model({**given, "audio": turned}))[2], atol=1e-4)
    without, given["audio"][2] = subsystem("nothing"), given["audio"][2]
    plain, other = np.asarray(without(given))[2], np.asarray(without({**given, "audio": turned}))[2]
    assert np.allclose(plain, other, atol=1e-5), "nothing knows no order"


def test_a_block_of_the_temporal_aware_looks_twice_as_far_as_the_one_before():
    config = SubsystemConfig(cell="tim", layers=3, units=4)
    sequence, length = subsystems.stream_inputs("audio", 5)
    steps, _, _ = subsystems.encode("audio", sequence, length, config)
    model = keras.Model({"audio": sequence, "audio_length": length}, steps)
    given = {
        "audio": np.random.default_rng(1).normal(size=(1, 60, 5)).astype("float32"),
        "audio_length": np.array([60]),
    }
    changed = {**given, "audio": given["audio"].copy()}
    changed["audio"][0, 30] += 3
    moved = np.flatnonzero(np.abs(np.asarray(model(given)) - np.asarray(model(changed)))[0].max(axis=1) > 1e-7)
    reach = 2 * (1 + 2 + 4)  # two convolutions a block, over both directions
    assert (moved.min(), moved.max()) == (30 - reach, 30 + reach)


def test_steps_put_side_by_side_share_the_weight_of_their_attention():
    model, given = subsystem("everything"), clips()
    found = subsystems.attention_of(model).predict_on_batch(given)
    weights = np.asarray(found["audio_attention"])
    assert weights.shape == (3, 12) and np.allclose(weights.sum(axis=1), 1, atol=1e-5)
    assert np.allclose(weights[:, 0], weights[:, 2]) and (weights[0, 3:] < 1e-6).all()


def test_statistics_are_the_mean_the_spread_and_the_maximum_of_the_real_steps():
    from helpers.models.layers import AttentiveStatisticsPooling

    layer, x = AttentiveStatisticsPooling(4), np.random.default_rng(0).normal(size=(1, 6, 3)).astype("float32")
    mask = np.array([[True] * 4 + [False] * 2])
    pooled, weights = (np.asarray(value) for value in layer(x, x[:, 0], mask=mask))
    share, real = weights[0, :4, None], x[0, :4]
    mean = (share * real).sum(axis=0)
    spread = np.sqrt((share * (real - mean) ** 2).sum(axis=0))
    assert np.allclose(pooled[0], np.concatenate([mean, spread, real.max(axis=0)]), atol=1e-4)
    assert (weights[0, 4:] == 0).all()


def test_in_the_cross_modal_fusion_a_face_hears_the_voice_before_it_is_pooled():
    small = {"units": 8, "fc_units": 4, "layers": 1}
    model = subsystems.fusion_model(
        5, 5, SubsystemConfig(**small), SubsystemConfig(**small), FusionConfig(kind="cross"), n_classes=3
    )
    given = clips() | {"video": clips()["audio"][:, :4], "video_length": np.array([1, 2, 4])}
    seen = keras.Model(model.input, model.get_layer("video_cross_norm").output)
    louder = {**given, "audio": given["audio"] + 1}
    assert not np.allclose(np.asarray(seen(given)), np.asarray(seen(louder)), atol=1e-3)
    wider = {**given, "audio": np.pad(given["audio"], ((0, 0), (0, 5), (0, 0)), constant_values=9.0)}
    assert np.allclose(np.asarray(model(given))[2], np.asarray(model(wider))[2], atol=1e-5)


def test_across_modes_a_trunk_without_attention_is_refused():
    with pytest.raises(ValueError, match="the audio encoder has no attention"):
        subsystems.fusion_model(5, 5, audio=SubsystemConfig(attention="none"), fusion=FusionConfig(kind="cross"))


def test_across_modes_a_stream_that_is_not_there_changes_nothing():
    small = {"units": 8, "fc_units": 4, "layers": 1}
    head = FusionConfig(kind="cross", modality_dropout=0.5)
    model = subsystems.fusion_model(5, 5, SubsystemConfig(**small), SubsystemConfig(**small), head, n_classes=3)
    given = clips() | {"video": clips()["audio"][:, :4], "video_length": np.array([1, 2, 4])}
    given["audio_length"] = np.zeros(3, "int32")
    other = {**given, "audio": given["audio"] + 5}
    assert np.allclose(np.asarray(model(given)), np.asarray(model(other)), atol=1e-6)
