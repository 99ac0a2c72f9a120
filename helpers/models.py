"""The thesis' three models, put together from the same parts (3.4, figures 3.5–3.7).

Each model takes a dict of right-padded sequences with their lengths, `{"video": (B, Tv, D), "video_length": (B,),
"audio": (B, Ta, F), "audio_length": (B,)}`, the streams it knows, and gives (B, n_classes) probabilities.
"""

import keras

from helpers.config import FusionConfig, SubsystemConfig
from helpers.layers import HardAttention, LengthMask, SoftAttention, Standardisation, StreamDropout


def stream_inputs(stream, dim):
    """A stream's two inputs: the sequence (B, T, dim) and its length (B,)."""
    return keras.Input((None, dim), name=stream), keras.Input((), dtype="int32", name=f"{stream}_length")


def trunk(stream, sequence, length, config, normalisation=None):
    """RNN stack → attention → fully connected layer: what the fusion shares with the subsystems.

    Args:
        stream: "video" or "audio", the prefix of the layers' names.
        sequence, length: the stream's inputs.
        config: SubsystemConfig.
        normalisation: (mean, variance), each (dim,), of the training rows; None leaves the features as they are.

    Returns:
        (B, fc_units): the fully connected layer's output.
    """
    x = sequence
    if normalisation is not None:
        standardisation = Standardisation(name=f"{stream}_normalisation", dtype="float32")
        x = standardisation(x)
        standardisation.set_weights(normalisation)
    if config.noise:
        x = keras.layers.GaussianNoise(config.noise, name=f"{stream}_noise")(x)
    mask = LengthMask(name=f"{stream}_mask")(sequence, length)  # (B, T)
    rnn = {"gru": keras.layers.GRU, "lstm": keras.layers.LSTM}[config.cell]
    for number in range(1, config.gru_layers + 1):
        name = f"{stream}_{config.cell}{number}"
        # (B, T, units), (B, units): all steps, and the state after the last real one (LSTM: h before c).
        x, state, *_ = rnn(config.gru_units, return_sequences=True, return_state=True, name=name)(x, mask=mask)
        if config.rnn_dropout:
            x = keras.layers.SpatialDropout1D(config.rnn_dropout, name=f"{stream}_dropout{number}")(x)
    if config.attention != "none":
        attention = {"soft": SoftAttention, "hard": HardAttention}[config.attention]
        state, _ = attention(config.gru_units // 2 or 1, name=f"{stream}_attention")(x, state, mask=mask)
    return keras.layers.Dense(config.fc_units, activation="relu", name=f"{stream}_fc")(state)  # (B, fc_units)


def head(x, n_classes, batch_norm, dropout):
    """Batch normalisation → dropout → softmax; the softmax in float32 whatever the precision."""
    if batch_norm:
        x = keras.layers.BatchNormalization(name="batch_norm")(x)
    if dropout:
        x = keras.layers.Dropout(dropout, name="dropout")(x)
    return keras.layers.Dense(n_classes, activation="softmax", dtype="float32", name="emotion")(x)


def _subsystem(stream, dim, config, n_classes, normalisation):
    sequence, length = stream_inputs(stream, dim)
    x = trunk(stream, sequence, length, config, normalisation)
    inputs = {stream: sequence, f"{stream}_length": length}
    return keras.Model(inputs, head(x, n_classes, config.batch_norm, config.dropout), name=f"{stream}_subsystem")


def video_subsystem(dim=512, config=None, *, n_classes=8, normalisation=None):
    """VGG16 features → GRU → attention → FC → batch normalisation → softmax (3.4.2, figure 3.6).

    Args:
        dim: numbers a frame, 512 for VGG16 at 48×48.
        config: SubsystemConfig, the thesis' video subsystem by default.
        n_classes: number of emotions.
        normalisation: (mean, variance) of the training rows, each (dim,).

    Returns:
        keras.Model, not compiled.
    """
    return _subsystem("video", dim, config or SubsystemConfig.video(), n_classes, normalisation)


def audio_subsystem(dim=13, config=None, *, n_classes=8, normalisation=None):
    """MFCC → stacked GRU → attention → FC → batch normalisation → softmax (3.4.3, figure 3.7).

    Args and Returns as `video_subsystem`; `dim` is the number of MFCC.
    """
    return _subsystem("audio", dim, config or SubsystemConfig.audio(), n_classes, normalisation)


def fusion_model(video_dim=512, audio_dim=13, video=None, audio=None, fusion=None, *, n_classes=8, normalisation=None):
    """Both FC outputs concatenated → batch normalisation → dropout → softmax (3.4.1, figure 3.5), trained jointly.

    `fusion` may mix them otherwise than the thesis, and may leave out a stream of some clips in training.

    Args:
        video_dim, audio_dim: numbers a frame of each stream.
        video, audio: SubsystemConfig of each trunk, the thesis' by default.
        fusion: FusionConfig of the head.
        n_classes: number of emotions.
        normalisation: {"video": (mean, variance), "audio": (mean, variance)} of the training rows.

    Returns:
        keras.Model, not compiled.
    """
    fusion, normalisation = fusion or FusionConfig(), normalisation or {}
    inputs, outputs, lengths = {}, [], []
    for stream, dim, config in (
        ("video", video_dim, video or SubsystemConfig.video()),
        ("audio", audio_dim, audio or SubsystemConfig.audio()),
    ):
        sequence, length = stream_inputs(stream, dim)
        inputs |= {stream: sequence, f"{stream}_length": length}
        outputs.append(trunk(stream, sequence, length, config, normalisation.get(stream)))
        lengths.append(length)
    if fusion.stream_dropout:
        outputs = StreamDropout(fusion.stream_dropout, name="stream_dropout")(outputs, lengths)
    x = {"concatenate": keras.layers.Concatenate(name="fusion"), "gated": gated}[fusion.kind](outputs)
    return keras.Model(inputs, head(x, n_classes, fusion.batch_norm, fusion.dropout), name="fusion_model")


def gated(outputs):
    """A learnt mixture of two streams (gated multimodal unit, Arevalo et al. 2017).

        z = σ(W [v; a])      h = z ⊙ tanh(W_v v) + (1 − z) ⊙ tanh(W_a a)

    Args:
        outputs: [v, a], each (B, fc_units).

    Returns:
        (B, fc_units): h.
    """
    units = outputs[0].shape[-1]
    gate = keras.layers.Dense(units, activation="sigmoid", name="gate")(keras.layers.Concatenate()(outputs))
    video, audio = (
        keras.layers.Dense(units, activation="tanh", name=f"{stream}_gated")(output)
        for stream, output in zip(("video", "audio"), outputs)
    )
    return keras.layers.Add(name="fusion")(
        [keras.layers.Multiply()([gate, video]), keras.layers.Multiply()([1.0 - gate, audio])]
    )


def attention_of(model):
    """The same model, giving its attention weights as well.

    Returns:
        keras.Model whose output is {"emotion": (B, n_classes), "<stream>_attention": (B, T), …}.
    """
    outputs = {"emotion": model.output}
    for layer in model.layers:
        if isinstance(layer, SoftAttention):
            outputs[layer.name] = layer.output[1]
    return keras.Model(model.input, outputs)
