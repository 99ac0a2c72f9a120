"""From clips to cache entries: faces and MFCC on all cores, then VGG16 over many clips at once."""

import os
import pathlib

import numpy as np

from helpers import backbone, config, crew, sources
from helpers import cache as caches
from helpers.exclusions import Exclusions

EMBED_TOGETHER = 64  # clips that go through VGG16 together
EMBED_AT_ONCE = 2048  # faces at the most at a time, where clips are long: 14 MB of pictures, 57 MB as floats


class Plan:
    """Which entries a table needs, and where they are.

    Attributes:
        streams: "video", "audio" or both.
        entries: {clip_id: {"video": path, "audio": path, "vgg16": path}} of the clips that can be used so far.
        excluded: Exclusions.
        damaged: list of the entries that could not be read.
    """

    def __init__(self, cache, streams, video, audio, weights=None, stand_in=False):
        # Absolute, since a worker process may have been started in another folder.
        cache = pathlib.Path(cache).absolute()
        self.cache, self.streams, self.video, self.audio = cache, tuple(streams), video, audio
        made_with = {"video": ("faces", video), "audio": ("mfcc", audio)}
        self.folders = {stream: caches.folder(cache, *made_with[stream]) for stream in self.streams}
        if "video" in self.streams:
            self.weights, self.identity = backbone.find_weights(weights, stand_in)
            self.folders["vgg16"] = caches.folder(cache, "vgg16", video, {"weights": self.identity})
        self.start()

    def start(self):
        """Forgets all clips."""
        self.entries, self.excluded, self.damaged = {}, Exclusions(), []

    def made_with(self):
        """How the features are made, for whoever must make them alike later: see FeatureSet.preprocessing."""
        made_with = {stream: config.as_dict(getattr(self, stream)) for stream in self.streams}
        return made_with | ({"vgg16": self.identity} if "video" in self.streams else {})

    def paths(self, row):
        """The row's files: {stream: path}."""
        return {stream: getattr(row, f"{stream}_path") for stream in self.streams}

    def entry(self, stream, path):
        """A file's entry; None where the file is not here and was never seen."""
        key = caches.key_of(self.cache, path)
        return key and self.folders[stream] / f"{key}.npz"

    def read(self, clip_id, kind):
        """The arrays of a clip's entry, {name: array}; None where it is damaged, which is noted."""
        try:
            return caches.load(self.entries[clip_id][kind])
        except caches.DamagedEntry as error:
            self.damaged.append(error.entry)
            return None

    def lacking(self, row):
        """The streams whose entry is neither made nor refused."""
        entries = {stream: self.entry(stream, path) for stream, path in self.paths(row).items()}
        return [s for s, entry in entries.items() if not (entry and (entry.is_file() or caches.why(entry)))]

    def add(self, row):
        """Notes a clip's entries. Returns which are still to be made, {stream: (path, entry)}; None if a file is away.

        A clip that has no file for a stream, or is known to be of no use, is excluded and needs nothing: {}.
        """
        paths, wanted = self.paths(row), {}
        try:
            entries = {stream: path and self.entry(stream, path) for stream, path in paths.items()}
        except OSError as error:
            self.excluded.add(row.clip_id, f"its file could not be read ({error.strerror or error})")
            return {}
        for stream, entry in entries.items():
            reason = f"no {stream} file" if not paths[stream] else entry and caches.why(entry)
            if reason:
                self.excluded.add(row.clip_id, reason)
                return {}
        for stream in self.lacking(row):
            if not os.path.isfile(paths[stream]):
                return None
            wanted[stream] = (os.path.abspath(paths[stream]), entries[stream])
        self.entries[row.clip_id] = entries
        return wanted

    def exclude(self, clip_id, reason):
        self.excluded.add(clip_id, reason)
        self.entries.pop(clip_id, None)


def run(table, plan, workers, progress):
    """Makes every entry that is missing. Clips that are not here are brought, an archive at a time, and let go again.

    Args:
        table: as in `features.build`.
        plan: Plan; its entries and exclusions are filled in.
        workers: processes; under `joblib.parallel_config` the backend it names decides.
        progress: show bars.
    """
    from tqdm.auto import tqdm

    plan.start()
    for folder in plan.folders.values():
        caches.sweep(folder)
    here, away, complete = [], [], []
    for row in table.itertuples():
        wanted = plan.add(row)
        if wanted is None and sources.archive_of(row):
            away.append(row)
        elif wanted is None:
            gone = next(path for path in plan.paths(row).values() if not os.path.isfile(path))
            plan.exclude(row.clip_id, f"{gone} is not there any more")
        elif wanted:
            here.append((row, wanted))
        else:
            complete.append(row)
    sources.let_go(plan, [row for row in complete if sources.archive_of(row)])
    total = len(here) + len(away)
    with tqdm(total=total, desc="faces and MFCC", unit="clip", disable=not progress or not total) as bar:
        crew.make(here, plan, workers, bar)
        sources.let_go(plan, [row for row, _ in here if sources.archive_of(row)])
        for batch in sources.brought(plan, away, progress):
            found = []
            for row in batch:
                wanted = plan.add(row)
                if wanted is None:
                    plan.exclude(row.clip_id, f"not in {' or '.join(sources.archives_of(row, plan.streams))}")
                if wanted:
                    found.append((row, wanted))
                else:
                    bar.update()
            crew.make(found, plan, workers, bar)
    if "video" in plan.streams:
        _embed([clip_id for clip_id in table.clip_id if clip_id in plan.entries], plan, progress)
    plan.excluded.sort()


def _embed(clip_ids, plan, progress):
    """VGG16 over the faces of all clips that have no embedding yet, many clips at once.

    The clips that go through together are the same whatever was made before: sums differ in their last bits with the
    batch, and a build that was killed must end with the very bytes of one that was not.
    """
    from tqdm.auto import tqdm

    for clip_id in clip_ids:
        entries = plan.entries[clip_id]
        entries["vgg16"] = plan.folders["vgg16"] / entries["video"].name
    groups = [clip_ids[at : at + EMBED_TOGETHER] for at in range(0, len(clip_ids), EMBED_TOGETHER)]
    groups = [group for group in groups if not all(plan.entries[c]["vgg16"].is_file() for c in group)]
    with tqdm(total=sum(map(len, groups)), desc="VGG16", unit="clip", disable=not progress or not groups) as bar:
        for group in groups:
            waiting, count = [], 0
            for clip_id in group:
                track = plan.read(clip_id, "video")
                if track is None:
                    waiting = []  # the group goes through whole, once that entry is made again
                    break
                waiting.append((plan.entries[clip_id]["vgg16"], track["frames"]))
                count += len(track["frames"])
                if count >= EMBED_AT_ONCE:
                    _embed_batch(waiting, plan.weights)
                    waiting, count = [], 0
            _embed_batch(waiting, plan.weights)
            bar.update(len(group))


def _embed_batch(waiting, weights):
    if not waiting:
        return
    vectors = backbone.embed(np.concatenate([frames for _, frames in waiting]), weights)
    ends = np.cumsum([len(frames) for _, frames in waiting])
    for (entry, _), part in zip(waiting, np.split(vectors, ends[:-1])):
        if not entry.is_file():
            caches.save(entry, values=part)
