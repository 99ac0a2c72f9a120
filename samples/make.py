"""Makes ravdess_mfcc.zip, the MFCC of RAVDESS' recordings as a packed cache: python samples/make.py FOLDER

FOLDER holds Actor_01 to Actor_24 with the 1440 recordings, 03-01-*.wav, or the same samples as .flac.
"""

import pathlib
import sys
import tempfile

from helpers.data import content, mirror, ravdess
from helpers.features import building

with tempfile.TemporaryDirectory() as cache:
    table = ravdess.index(sys.argv[1])
    built = building.build(table, cache, streams=("audio",))
    for path in map(pathlib.Path, table.audio_path):  # noted under the names that they have on Zenodo
        keys = {path.with_suffix(".wav").name: content.source_key(path)}
        content.note(content.notes_file(cache, path), keys)
    print(f"{len(built)} recordings, {built.audio.shape[1]} frames at the most; {built.excluded}")
    print(mirror.pack(cache, pathlib.Path(__file__).with_name("ravdess_mfcc.zip")))
