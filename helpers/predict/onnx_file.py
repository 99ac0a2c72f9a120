"""A trained model as an ONNX file, for programs that have neither Keras nor this package."""

import importlib.util
import warnings

from helpers import runtime
from helpers.evaluation import calibration
from helpers.predict import fold_ensemble


def write(path, model, dims, about):
    """Writes a FoldEnsemble to `path`, replaced whole or not at all, and returns it.

    Inputs are those of the Keras model, with any number of clips and steps; the output "probabilities", float32
    (clips, C), is the mean of the folds, each at its temperature. `dims` is {modality: numbers a frame}, `about` the
    file's metadata, {name: string}.
    Raises ValueError, ImportError: Keras' backend is not TensorFlow; a package is missing.
    """
    import keras

    if keras.config.backend() != "tensorflow":
        raise ValueError("ONNX files are made with TensorFlow: set KERAS_BACKEND=tensorflow before the program starts")
    if not all(map(importlib.util.find_spec, ("tf2onnx", "onnx"))):
        raise ImportError("ONNX files take two more packages: pip install tf2onnx 'onnx<1.19'")
    import onnx

    ops, inputs, answers = keras.ops, model.network.input, []
    for number, weights in zip(model.folds, model.weights):
        network = fold_ensemble.network(model.settings, dims)
        network.set_weights(weights)
        network.name = f"fold_{number}"
        logits = ops.log(ops.maximum(network(inputs), calibration.TINY))
        answers.append(ops.softmax(logits / (model.temperature or 1.0)))  # as `calibration.apply`
    mean = keras.Model(inputs, {"probabilities": ops.mean(ops.stack(answers), axis=0)})
    signature = {name: keras.InputSpec(x.dtype, x.shape, name=name) for name, x in inputs.items()}
    with runtime.replacing(path) as file, warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # Keras asks NumPy for np.object
        mean.export(file.name, format="onnx", verbose=False, input_signature=[signature])
        made = onnx.load(file.name)
        onnx.helper.set_model_props(made, about)
        onnx.save(made, file.name)
    return path
