"""The finished cache as one archive: a class preprocesses once and shares it.

python -m helpers.mirror pack cache emotion-cache.zip       prints the line for data_manifest.csv
python -m helpers.mirror restore WHERE cache                WHERE: a file, a mounted Drive's folder, or a Drive id
"""

import os
import pathlib
import re
import shutil
import sys
import zipfile

from helpers import archives, manifest
from helpers.download import DownloadError

NAME = "emotion-cache.zip"
# All that a cache holds: a mirror with anything else in it is refused.
_ENTRY = re.compile(r"(?:faces|mfcc|vgg16)-[0-9a-f]{8}/[^/\\]+\.(?:npz|npy|why|json)|seen/[^/\\]+\.json")
_DRIVE_ID = re.compile(r"[A-Za-z0-9_-]{20,}")


def pack(cache, path):
    """Packs a cache into one zip archive, the same bytes for the same entries.

    Args:
        cache: folder.
        path: the archive to make; replaced whole or not at all. A folder gets `emotion-cache.zip`.

    Returns:
        manifest.Row of it, without its url.

    Raises:
        FileNotFoundError: there is no entry to pack.
    """
    cache, path = pathlib.Path(cache), pathlib.Path(path)
    path = path / NAME if path.is_dir() else path
    names = sorted(p.relative_to(cache).as_posix() for p in cache.rglob("*") if p.is_file())
    names = [name for name in names if _ENTRY.fullmatch(name) and "/." not in name]
    if not names:
        raise FileNotFoundError(f"{cache} holds no entry to pack: build the features first")
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for name in names:
                info = zipfile.ZipInfo(name)  # its date is 1980: the time of packing changes no byte
                info.compress_type = zipfile.ZIP_DEFLATED
                with open(cache / name, "rb") as file, archive.open(info, "w") as member:
                    shutil.copyfileobj(file, member, 1 << 20)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return manifest.Row("mirror", path.name, "", path.stat().st_size, manifest.md5(path), "as the data it was made of")


def unpack(path, cache):
    """Puts a packed cache's entries in place; those that are there are kept.

    Args:
        path: archive that `pack` made.
        cache: folder, made if absent.

    Returns:
        Number of entries that were new.

    Raises:
        DownloadError: it is damaged or holds something that no cache does; nothing of it is used then.
    """
    path, cache = pathlib.Path(path), pathlib.Path(cache)
    try:
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                if not _ENTRY.fullmatch(info.filename):
                    raise DownloadError(f"{path.name}: {info.filename!r} belongs in no cache; nothing was unpacked")
            new = [info for info in archive.infolist() if not (cache / info.filename).is_file()]
            archives.room(cache, sum(info.file_size for info in new), path.name)
            for info in new:
                archives.extract(archive, info, cache)
    except archives.DAMAGE as error:
        raise DownloadError(f"{path.name}: {error}; copy or fetch it again") from error
    return len(new)


def restore(where, cache, md5="", tell=print):
    """Fills the cache from a mirror, if it can be had; if not, says why, and the features are made the long way.

    Args:
        where: an archive, a folder that holds emotion-cache.zip (a mounted Drive), or the id or address of a file
            shared on Google Drive; "" does nothing.
        cache: folder.
        md5: 32 hex digits the archive must have; "" leaves it to the archive's own checksums.
        tell: called with one line on what happened.

    Returns:
        Number of new entries; 0 where the mirror could not be had.
    """
    if not where:
        return 0
    cache = pathlib.Path(cache)
    cache.mkdir(parents=True, exist_ok=True)
    local = cache / ".mirror.zip"
    try:
        _bring(str(where), local)
        found = manifest.md5(local)
        if md5 and found != md5.lower():
            raise DownloadError(f"its MD5 is {found}, not {md5}: it is another archive, or damaged")
        count = unpack(local, cache)
    except (DownloadError, OSError) as error:
        tell(f"The mirror {where} cannot be used: {error}\nThe features are made from the clips instead.")
        return 0
    finally:
        local.unlink(missing_ok=True)
    tell(f"From the mirror {where}: {count} new entries" + ("" if md5 else f" (MD5 {found}, not compared)"))
    return count


def _bring(where, local):
    """Copies or downloads the mirror to `local`, one file in one go."""
    path = pathlib.Path(where).expanduser()
    path = path / NAME if path.is_dir() else path
    if path.is_file():
        shutil.copyfile(path, local)
    elif match := _DRIVE_ID.fullmatch(where) or re.search(r"drive\.google\.com/.*?([A-Za-z0-9_-]{20,})", where):
        import gdown

        try:
            fetched = gdown.download(id=match[match.lastindex or 0], output=str(local), quiet=True, use_cookies=False)
        except Exception as error:  # gdown lets anything through, from its own errors to requests' and bs4's
            raise DownloadError(f"Google Drive does not give it ({_short(error)})") from error
        if not fetched:
            raise DownloadError("Google Drive does not give it")
        if not zipfile.is_zipfile(local):
            raise DownloadError("Google Drive gave something that is no archive")
    else:
        raise DownloadError("no such file or folder, nor an id of Google Drive")


def _short(error):
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[1:2] or lines[:1])[:200]


def main(arguments=None):
    """The command line. Returns the exit status."""
    import argparse

    parser = argparse.ArgumentParser(prog="python -m helpers.mirror", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("pack", help="make one archive of a cache")
    command.add_argument("cache")
    command.add_argument("archive")
    command = commands.add_parser("restore", help="fill a cache from an archive, a folder, or a Drive id")
    command.add_argument("where")
    command.add_argument("cache")
    command.add_argument("--md5", default="")
    options = parser.parse_args(arguments)
    if options.command == "restore":
        return 0 if restore(options.where, options.cache, options.md5) else 1
    try:
        row = pack(options.cache, options.archive)
    except OSError as error:
        print(error, file=sys.stderr)
        return 1
    print("Share it on Drive, put its id in the place of ID, and this line into data_manifest.csv:")
    print(f"{row.dataset},{row.file},https://drive.google.com/uc?id=ID,{row.bytes},{row.md5},{row.licence}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
