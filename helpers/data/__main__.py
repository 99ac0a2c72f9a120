"""Fetch, verify or list the files of data_manifest.csv.

python -m helpers.data list
python -m helpers.data fetch --dest DIR --only ravdess-speech-audio
python -m helpers.data fetch --dest DIR --only Video_Speech_Actor_01.zip --members '*/01-01-*'
python -m helpers.data verify --dest DIR --only ravdess-speech-audio
"""

import argparse
import os
import sys

from helpers import runtime
from helpers.data import manifest
from helpers.data.download import DownloadError


def main():
    """Returns the exit status: 1 where a file is missing, wrong, or could not be had."""
    parser = argparse.ArgumentParser(prog="python -m helpers.data", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    for name, run, text in (
        ("fetch", fetch, "fetch files and verify them; goes on where it was broken off"),
        ("verify", verify, "check the files that are there; names each missing and each wrong one"),
        ("list", show, "list what the manifest names"),
    ):
        command = commands.add_parser(name, help=text)
        command.set_defaults(run=run)
        command.add_argument("--manifest", metavar="FILE", help="csv; the suite's own by default")
        command.add_argument("--only", metavar="NAME", help="a data set or file, or a pattern such as 'Video_Speech_*'")
        if run is not show:
            command.add_argument("--dest", metavar="DIR", required=True)
        if run is fetch:
            command.add_argument("--members", metavar="PATTERN", help="unpack only these members of the zip archives")
    options = parser.parse_args()
    try:
        status = options.run(manifest.select(manifest.read(options.manifest), options.only), options)
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # whoever read the output has seen enough, as `| head` has
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing more is said at the exit
    except (DownloadError, ValueError, FileNotFoundError) as error:
        print(error, file=sys.stderr)
    return 1


def fetch(rows, options):
    if not options.members:
        print(*manifest.fetch(rows, options.dest), sep="\n")
    for row in rows if options.members else ():
        paths = manifest.members(row, options.dest, options.members)
        print(f"{row.file}: {len(paths)} members in {options.dest}")
    return 0


def verify(rows, options):
    faults = {row: manifest.fault(row, options.dest) for row in runtime.bar(rows, "verifying", "file")}
    for row in sorted(filter(faults.get, rows), key=lambda row: faults[row] != "missing"):
        print(f"missing: {row.file}" if faults[row] == "missing" else f"wrong: {row.file}: {faults[row]}")
    good = [row for row in rows if not faults[row]]
    print(f"{len(good)} of {len(rows)} as they should be")
    if unchecked := [row.file for row in good if not row.md5]:
        print(f"no md5 is known for {', '.join(unchecked)}: checked by size, or not at all where that is unknown too")
    return int(len(good) < len(rows))


def show(rows, options):
    for row in rows:
        size = f"{row.bytes / 1e6:10,.1f} MB" if row.bytes is not None else "   size unknown"
        print(f"{row.dataset:22} {row.file:52} {size}  {row.url or row.licence}")
    return 0


sys.exit(main())
