import keras
import numpy as np
import pytest

from helpers.config import CELLS, FusionConfig, SubsystemConfig
from helpers.models import subsystems

SMALL = {"units": 8, "fc_units": 6}


def batch(n=3, steps=7):
    rng = np.random.default_rng(0)
    return {
        "video": rng.normal(size=(n, steps, 5)).astype("float32"),
        "video_length": np.arange(1, n + 1, dtype="int32"),
        "audio": rng.normal(size=(n, steps + 2, 4)).astype("float32"),
        "audio_length": np.full(n, steps, dtype="int32"),
    }


def only(inputs, stream):
    return {name: value for name, value in inputs.items() if name.startswith(stream)}


def fusion(**options):
    return subsystems.fusion_model(5, 4, SubsystemConfig.video(**SMALL), SubsystemConfig.audio(**SMALL), **options)


def test_the_defaults_are_the_thesis_architecture():
    video, audio = subsystems.video_subsystem(), subsystems.audio_subsystem()
    assert [layer.units for layer in video.layers if isinstance(layer, keras.layers.GRU)] == [512]
    assert [layer.units for layer in audio.layers if isinstance(layer, keras.layers.GRU)] == [256] * 3
    for model in (video, audio):
        kinds = [type(layer).__name__ for layer in model.layers]
        assert kinds.index("SoftAttention") < kinds.index("BatchNormalization") < kinds.index("Dropout")


def test_each_model_gives_probabilities_over_the_classes():
    inputs = batch()
    for model, given in (
        (subsystems.video_subsystem(5, SubsystemConfig.video(**SMALL), n_classes=3), only(inputs, "video")),
        (subsystems.audio_subsystem(4, SubsystemConfig.audio(**SMALL), n_classes=3), only(inputs, "audio")),
        (fusion(n_classes=3), inputs),
    ):
        probabilities = np.asarray(model(given))
        assert probabilities.shape == (3, 3) and np.allclose(probabilities.sum(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("attention", ["soft", "none"])
def test_padding_never_changes_an_answer(attention):
    model = subsystems.audio_subsystem(4, SubsystemConfig.audio(attention=attention, **SMALL))
    short = only(batch(), "audio")
    padded = {**short, "audio": np.pad(short["audio"][:, :7], ((0, 0), (0, 9), (0, 0)), constant_values=77)}
    assert np.allclose(np.asarray(model(short)), np.asarray(model(padded)), atol=1e-5)


def test_the_fusion_concatenates_both_fully_connected_outputs():
    model = fusion()
    assert model.get_layer("fusion").output.shape == (None, 12)
    after = [layer.name for layer in model.layers]
    assert after[after.index("fusion") + 1 :] == ["batch_norm", "dropout", "emotion"]


def test_the_gate_mixes_both_streams_number_by_number(tmp_path):
    model, inputs = fusion(fusion=FusionConfig(kind="gated")), batch()
    assert model.get_layer("fusion").output.shape == (None, 6)
    names = ("video_fc", "audio_fc", "video_gated", "audio_gated", "gate", "fusion")
    inner = keras.Model(model.input, {name: model.get_layer(name).output for name in names})
    out = {name: np.asarray(value) for name, value in inner(inputs).items()}
    for stream in ("video", "audio"):
        kernel, bias = model.get_layer(f"{stream}_gated").get_weights()
        assert np.allclose(out[f"{stream}_gated"], np.tanh(out[f"{stream}_fc"] @ kernel + bias), atol=1e-5)
    mixed = out["gate"] * out["video_gated"] + (1 - out["gate"]) * out["audio_gated"]
    assert np.allclose(out["fusion"], mixed, atol=1e-6) and (out["gate"] > 0).all() and (out["gate"] < 1).all()
    model.save(tmp_path / "gated.keras")
    assert np.allclose(keras.models.load_model(tmp_path / "gated.keras")(inputs), model(inputs), atol=1e-6)


@pytest.mark.parametrize("kind", ["concatenate", "gated", "cross"])
@pytest.mark.parametrize("cell", CELLS)
def test_two_builds_are_alike_in_every_name_so_that_one_compiled_model_serves_all_folds(kind, cell):
    part = SubsystemConfig(layers=2, cell=cell, noise=0.1, rnn_dropout=0.1, frame_stacking=2, convolution=8, **SMALL)
    head = FusionConfig(kind=kind, modality_dropout=0.5)
    one, other = (subsystems.fusion_model(5, 4, part, part, head, n_classes=3).to_json() for _ in range(2))
    assert one == other


def test_a_missing_stream_says_nothing_where_the_fusion_was_taught_to_do_without():
    model, inputs = fusion(fusion=FusionConfig(modality_dropout=0.5)), batch()
    gone = {**inputs, "video_length": np.zeros(3, "int32")}
    before = np.asarray(model(gone))
    assert np.isfinite(before).all() and not np.allclose(before, model(inputs))
    assert np.allclose(before, model({**gone, "video": inputs["video"] + 5}), atol=1e-6)


def test_the_fusion_listens_to_both_streams():
    model, inputs = fusion(), batch()
    before = np.asarray(model(inputs))
    for stream in ("video", "audio"):
        assert not np.allclose(before, np.asarray(model({**inputs, stream: inputs[stream] + 1})))


def test_the_knobs_change_the_layers():
    model = subsystems.audio_subsystem(4, SubsystemConfig(layers=2, units=3, batch_norm=False, dropout=0.0))
    kinds = [type(layer).__name__ for layer in model.layers]
    assert kinds.count("GRU") == 2 and "BatchNormalization" not in kinds and "Dropout" not in kinds
    model = subsystems.audio_subsystem(4, SubsystemConfig(layers=2, units=3, noise=0.1, rnn_dropout=0.2))
    kinds = [type(layer).__name__ for layer in model.layers]
    assert kinds.count("SpatialDropout1D") == 2 and kinds.count("GaussianNoise") == 1


def test_normalisation_is_part_of_the_model():
    mean, variance = np.array([1.0, 2, 3, 4], "float32"), np.array([4.0, 1, 1, 1], "float32")
    model = subsystems.audio_subsystem(4, SubsystemConfig.audio(**SMALL), normalisation=(mean, variance))
    layer = model.get_layer("audio_normalisation")
    assert np.allclose(layer(np.array([[[3.0, 2, 3, 4]]], "float32")), [[[1, 0, 0, 0]]])


def test_a_saved_model_answers_the_same(tmp_path):
    inputs = batch()
    normalisation = {"video": (np.ones(5), np.ones(5)), "audio": (np.zeros(4), np.full(4, 2.0))}
    model = fusion(normalisation=normalisation)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert np.allclose(np.asarray(model(inputs)), np.asarray(again(inputs)), atol=1e-6)


def test_attention_weights_can_be_looked_at():
    outputs = subsystems.attention_of(fusion()).predict(batch(), verbose=0)
    assert set(outputs) == {"emotion", "video_attention", "audio_attention"}
    assert np.allclose(outputs["video_attention"].sum(axis=1), 1, atol=1e-5)
    assert not outputs["video_attention"][0, 1:].any(), "a clip of one frame has all its weight there"
