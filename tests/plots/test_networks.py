import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt

from helpers.config import SubsystemConfig
from helpers.models import subsystems
from helpers.plots import networks

SMALL = {"units": 4, "fc_units": 3}


def test_the_fusion_is_drawn_as_two_columns_that_meet():
    fusion = subsystems.fusion_model(5, 6, SubsystemConfig.video(**SMALL), SubsystemConfig.audio(**SMALL))
    ax = networks.model(fusion)
    places = {text.get_text(): text.get_position() for text in ax.texts if text.get_text()}
    assert ax.get_title() == "fusion model"
    assert places["input   (B, T, 5)"][0] == 0 and places["input   (B, T, 6)"][0] == 1
    assert places["concatenate   (B, 6)"][0] == places["softmax   (B, 8)"][0] == 0.5
    assert places["concatenate   (B, 6)"][1] > places["softmax   (B, 8)"][1], "from top to bottom"
    arrows = sum(not text.get_text() for text in ax.texts)
    assert arrows == len(ax.texts) - arrows - 1, "every box but the last leads on"
    plt.close("all")


def test_the_boxes_are_the_models_own_layers():
    ax = networks.model(subsystems.video_subsystem(5, SubsystemConfig.video(cell="lstm", attention="hard", **SMALL)))
    words = [text.get_text() for text in ax.texts if text.get_text()]
    assert words[:4] == ["input   (B, T, 5)", "LSTM   (B, T, 4)", "hard attention   (B, 4)", "fully connected   (B, 3)"]
    _, given = plt.subplots()
    assert networks.model(subsystems.audio_subsystem(5, SubsystemConfig.audio(**SMALL)), given) is given
    plt.close("all")
