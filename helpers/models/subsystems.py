"""The thesis' three models, built from the same parts (3.4, figures 3.5–3.7).

Each takes a dict of right-padded sequences and lengths, `{"video": (B, Tv, D), "video_length": (B,), "audio": …}`, and
returns probabilities (B, n_classes). Every layer is named: Keras numbers unnamed ones anew in each model, and the
next fold could not reuse the compiled one (`fold.compile_or_reuse`).
"""

import keras

from helpers.config import HEADS, FusionConfig, SubsystemConfig
from helpers.models.encoders import ENCODERS, AttentionMask, FrameStacking, MaskPadding
from helpers.models.layers import (
    AttentiveStatisticsPooling,
    HardAttention,
    LengthMask,
    ModalityDropout,
    SoftAttention,
    Standardisation,
)


def stream_inputs(stream, dim):
    """A modality's two inputs: the sequence (B, T, dim) and its length (B,)."""
    return keras.Input((None, dim), name=stream), keras.Input((), dtype="int32", name=f"{stream}_length")


def encode(stream, sequence, length, config, normalisation=None):
    """Encodes the inputs of `stream_inputs`: time steps (B, T, D), the attention's query (B, U) and the mask (B, T).

    `normalisation` is (mean, variance), each (dim,), of the training rows; None leaves the features as they are.
    """
    x = sequence
    if normalisation is not None:
        standardisation = Standardisation(name=f"{stream}_normalisation", dtype="float32")
        x = standardisation(x)
        standardisation.set_weights(normalisation)
    if config.noise:
        x = keras.layers.GaussianNoise(config.noise, name=f"{stream}_noise")(x)
    if config.frame_stacking > 1:
        x, length = FrameStacking(config.frame_stacking, name=f"{stream}_stack")(x, length)
    mask = LengthMask(name=f"{stream}_mask")(x, length)  # (B, T)
    if config.convolution:
        x = MaskPadding(name=f"{stream}_blank")(x, mask)
        options = {"padding": "same", "use_bias": False, "kernel_initializer": "he_normal"}
        x = keras.layers.Conv1D(config.convolution, 3, **options, name=f"{stream}_convolution")(x)
        x = keras.layers.BatchNormalization(momentum=0.95, name=f"{stream}_convolution_norm")(x, mask=mask)
        x = keras.layers.Activation("relu", name=f"{stream}_convolution_relu")(x)
    x, state = ENCODERS[config.cell](x, mask, config, stream)
    return x, state, mask


def pool(stream, x, state, mask, config):
    """Attention → fully connected layer, (B, fc_units), over what `encode` gives."""
    if config.attention != "none":
        kinds = {"soft": SoftAttention, "hard": HardAttention, "attentive_statistics": AttentiveStatisticsPooling}
        attention = kinds[config.attention](config.units // 2 or 1, name=f"{stream}_attention")
        state, _ = attention(x, state, mask=mask)
    if config.attention == "attentive_statistics":  # means, deviations and maxima differ in scale
        state = keras.layers.BatchNormalization(momentum=0.95, name=f"{stream}_statistics_norm")(state)
        state = keras.layers.Dropout(config.dropout, name=f"{stream}_statistics_dropout")(state)
    return keras.layers.Dense(config.fc_units, activation="relu", name=f"{stream}_fc")(state)  # (B, fc_units)


def head(x, n_classes, batch_norm, dropout):
    """Batch normalisation → dropout → softmax, which stays in float32 in mixed precision."""
    if batch_norm:
        x = keras.layers.BatchNormalization(name="batch_norm")(x)
    if dropout:
        x = keras.layers.Dropout(dropout, name="dropout")(x)
    return keras.layers.Dense(n_classes, activation="softmax", dtype="float32", name="emotion")(x)


def _subsystem(stream, dim, config, n_classes, normalisation):
    sequence, length = stream_inputs(stream, dim)
    x = pool(stream, *encode(stream, sequence, length, config, normalisation), config)
    inputs = {stream: sequence, f"{stream}_length": length}
    return keras.Model(inputs, head(x, n_classes, config.batch_norm, config.dropout), name=f"{stream}_subsystem")


def video_subsystem(dim=512, config=None, *, n_classes=8, normalisation=None):
    """VGG16 features → GRU → attention → FC → batch normalisation → softmax (3.4.2, figure 3.6).

    Args:
        dim: features a frame, 512 for VGG16 at 48×48.
        normalisation: (mean, variance) of the training rows, each (dim,).
    Returns: keras.Model, not compiled.
    """
    return _subsystem("video", dim, config or SubsystemConfig.video(), n_classes, normalisation)


def audio_subsystem(dim=13, config=None, *, n_classes=8, normalisation=None):
    """MFCC → stacked GRU → attention → FC → batch normalisation → softmax (3.4.3, figure 3.7). As `video_subsystem`."""
    return _subsystem("audio", dim, config or SubsystemConfig.audio(), n_classes, normalisation)


def fusion_model(video_dim=512, audio_dim=13, video=None, audio=None, fusion=None, *, n_classes=8, normalisation=None):
    """Both FC outputs concatenated → batch normalisation → dropout → softmax (3.4.1, figure 3.5).

    Args:
        video_dim, audio_dim: features a frame.
        video, audio, fusion: SubsystemConfig of each encoder, and FusionConfig; the thesis' by default.
        normalisation: {"video": (mean, variance), "audio": (mean, variance)} of the training rows.
    Returns: keras.Model, not compiled.
    Raises ValueError: cross-modal attention over an encoder without attention, which looks at the last step alone.
    """
    fusion, normalisation = fusion or FusionConfig(), normalisation or {}
    configs = {"video": video or SubsystemConfig.video(), "audio": audio or SubsystemConfig.audio()}
    inputs, encoded, present = {}, {}, None
    for stream, dim in (("video", video_dim), ("audio", audio_dim)):
        sequence, length = stream_inputs(stream, dim)
        inputs |= {stream: sequence, f"{stream}_length": length}
        encoded[stream] = encode(stream, sequence, length, configs[stream], normalisation.get(stream))
    if fusion.modality_dropout:
        lengths = [inputs["video_length"], inputs["audio_length"]]
        present = ModalityDropout(fusion.modality_dropout, name="modality_dropout")(lengths)  # two of (B, 1)
    if fusion.kind == "cross":
        for stream, config in configs.items():
            if config.attention == "none":
                why = "has no attention and would lose what cross-attention adds: use soft"
                raise ValueError(f"the {stream} encoder {why}")
        encoded = cross_attention(encoded, present)
    outputs = [pool(stream, *parts, configs[stream]) for stream, parts in encoded.items()]
    if present:
        pairs = zip(encoded, outputs, present)
        outputs = [keras.layers.Multiply(name=f"{stream}_there")(pair) for stream, *pair in pairs]
    x = gated(outputs) if fusion.kind == "gated" else keras.layers.Concatenate(name="fusion")(outputs)
    return keras.Model(inputs, head(x, n_classes, fusion.batch_norm, fusion.dropout), name="fusion_model")


def cross_attention(encoded, present=None):
    """Lets each modality's time steps attend to the other's (cross-modal attention, Tsai et al. 2019).

        x_v ← norm(x_v + attention(query x_v, key x_a))      x_a ← norm(x_a + attention(query x_a, key x_v))

    Args:
        encoded: {"video", "audio": (x, state, mask)}, as `encode` gives them; returned with the new steps.
        present: [video, audio], each (B, 1), 0 where a modality is missing; None where both are always there.
    """
    attended = {}
    for place, (stream, other) in enumerate((("video", "audio"), ("audio", "video"))):
        (x, state, mask), (key, _, key_mask) = encoded[stream], encoded[other]
        attention = keras.layers.MultiHeadAttention(HEADS, max(x.shape[-1] // HEADS, 1), name=f"{stream}_cross")
        context = attention(x, key, attention_mask=AttentionMask(name=f"{stream}_cross_mask")(mask, key_mask))
        if present:
            share = keras.layers.Reshape((1, 1), name=f"{stream}_cross_known")(present[1 - place])
            context = keras.layers.Multiply(name=f"{stream}_cross_there")([context, share])
        x = keras.layers.Add(name=f"{stream}_cross_add")([x, context])
        attended[stream] = keras.layers.LayerNormalization(name=f"{stream}_cross_norm")(x), state, mask
    return attended


def gated(outputs):
    """Gated multimodal unit of [v, a], each (B, fc_units) (Arevalo et al. 2017).

    z = σ(W [v; a])      h = z ⊙ tanh(W_v v) + (1 − z) ⊙ tanh(W_a a)
    """
    units = outputs[0].shape[-1]
    both = keras.layers.Concatenate(name="gate_inputs")(outputs)
    gate = keras.layers.Dense(units, activation="sigmoid", name="gate")(both)
    rest = keras.layers.Rescaling(-1.0, 1.0, name="gate_rest")(gate)  # 1 − z
    shares = []
    for stream, output, share in zip(("video", "audio"), outputs, (gate, rest)):
        output = keras.layers.Dense(units, activation="tanh", name=f"{stream}_gated")(output)
        shares.append(keras.layers.Multiply(name=f"{stream}_share")([share, output]))
    return keras.layers.Add(name="fusion")(shares)


def attention_of(model):
    """The same model with its attention weights as outputs too.

    Returns:
        keras.Model whose output is {"emotion": (B, n_classes), "<stream>_attention": (B, T), …}. Stacked frames share
        their weight equally, and T is the next multiple of their number.
    """
    outputs = {"emotion": model.output}
    stacks = {layer.name: layer.size for layer in model.layers if isinstance(layer, FrameStacking)}
    for layer in model.layers:
        if isinstance(layer, SoftAttention):
            size = stacks.get(layer.name.replace("_attention", "_stack"), 1)
            outputs[layer.name] = layer.output[1] if size == 1 else keras.ops.repeat(layer.output[1] / size, size, 1)
    return keras.Model(model.input, outputs)
