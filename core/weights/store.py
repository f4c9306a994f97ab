"""Finding and downloading weights.

Looked into, in order: the folders of FOLEYSTAGE_MODELS, ComfyUI's folders as the caller names
them, the user's own cache; then the places where other packs keep the same files.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import CancelCheck, FoleyError
from .advice import download_advice
from .entries import Entry, Hub, Source
from .fetch import NotThere, Progress, Remote, Unreachable, fetch, refusal
from .files import write_json
from .minis import FOLDER as MINIS
from .registry import entry
from .schema import Unfit, read_json

log = logging.getLogger(__name__)

VARIABLE = "FOLEYSTAGE_MODELS"
ENDPOINT = "HF_ENDPOINT"
_ADDRESS = re.compile(
    r"https?://([a-z0-9]([a-z0-9_.-]{0,252}[a-z0-9])?|\[[0-9a-f:.]+\])(:\d{1,5})?(/[\w.~/-]*)?",
    re.IGNORECASE | re.ASCII,
)
RECORDS = "foleystage_downloads.json"
# ComfyUI's names of this pack's folders; "" in a mapping of folders means whole models folders.
OWN_FOLDERS = ("foleystage", "foley")

Folders = Mapping[str, Sequence[Path | str]]


def find(name: str, folders: Folders | None = None) -> Path | None:
    """The file of a model, None when it is nowhere.

    folders: ComfyUI's folder names and their paths, such as {"mmaudio": [...], "checkpoints":
    [...]}, None outside it; "" names whole models folders, under which each name is a subfolder.

    Raises:
        FoleyError: a name that the registry does not know.
    """
    row = entry(name)
    if row.source.how == "bundled":
        path = MINIS / row.source.file
        return path if path.is_file() else None
    own = [folder / file for folder in _own_folders(folders) for file in row.file_names]
    return _first(own + _kept_by_others(row, folders))


def locate(name: str, folders: Folders | None = None) -> Path:
    """As `find`, but what is missing is one sentence: file, source, licence and folder."""
    found = find(name, folders)
    if found is None:
        raise FoleyError(missing_sentence(entry(name), folders))
    return found


def download(
    name: str,
    progress: Progress | None = None,
    *,
    folder: Path | str | None = None,
    folders: Folders | None = None,
    cancelled: CancelCheck | None = None,
    token: str | None = None,
) -> Path:
    """The file of a model, fetched when it is nowhere.

    folder: where it must be, whatever lies in others; None is `download_folder(folders)`.
    progress(step, total): bytes. token: of the hub; None takes HF_TOKEN or the stored login.
    HF_ENDPOINT names a mirror. Hashes are those of the registry, or the hub's own.

    Raises:
        FoleyError: unknown name, no network, no permission, gone, cut off again and again, wrong
            size or hash, disk full, folder not writable; each is one sentence.
        Cancelled: as asked.
    """
    row = entry(name)
    anywhere = folder is None or row.source.how == "bundled"
    folder = download_folder(folders) if folder is None else Path(folder)
    there = [folder / file for file in row.file_names]
    found = find(name, folders) if anywhere else _first(there)
    if found is not None:
        return found
    sources = _online(row)
    if not sources:
        raise FoleyError(missing_sentence(row, folders, folder))
    failures: list[FoleyError] = []
    for source in sources:
        try:
            return _from(source, row, folder, progress, cancelled, token)
        except (NotThere, Unreachable) as error:
            log.info("%s: %s", row.name, error)
            failures.append(error)
    unreachable = [error for error in failures if isinstance(error, Unreachable)]
    if not unreachable:
        raise failures[0]
    raise FoleyError(f"{str(unreachable[0]).rstrip('.')} ({_by_hand(row, folder)}).")


def download_folder(folders: Folders | None = None) -> Path:
    """Where downloads go: the first folder of this pack's own, else the user's cache."""
    return _own_folders(folders)[0]


def own_folders_of(name: str, file: Path) -> list[Path]:
    """This pack's own folders of a model, where what a file needs beside it may lie without it:
    where downloads go, and beside the folder of the file, as in ComfyUI's models folder."""
    near = [file.absolute().parent.parent / key for key in OWN_FOLDERS]
    return [folder / name for folder in (*_own_folders(None), *near)]


def missing_sentence(row: Entry, folders: Folders | None = None, folder: Path | None = None) -> str:
    """What an artist without the file, or without network, needs to know.

    folder: where it is wanted, `download_folder(folders)` by default.
    """
    in_comfyui = folders is not None
    advice = download_advice([row.name], in_comfyui=in_comfyui) if _online(row) else ""
    return (
        f"The weights of {row.name} are not on this machine: {f'{advice}, or ' if advice else ''}"
        f"{_by_hand(row, folder or download_folder(folders))}."
    )


def _by_hand(row: Entry, folder: Path) -> str:
    source = row.source
    if source.how == "bundled":
        return f"{source.file} comes with FoleyStage; install it again"
    place = next(n for n in row.file_names if n.rsplit("/", 1)[-1] == source.name)
    target = (folder / place).parent
    return f"put {source.file} from {source} (licence: {row.licence.terms}) into {target}"


def _online(row: Entry) -> list[Source]:
    """The sources that need no person."""
    return [source for source in row.sources if source.how == "download"]


def _first(candidates: Sequence[Path]) -> Path | None:
    """The first that is there; an empty file is what a broken download or a full disk left."""
    return next((path for path in candidates if path.is_file() and path.stat().st_size), None)


def _named_folders() -> list[Path]:
    return [Path(p) for p in os.environ.get(VARIABLE, "").split(os.pathsep) if p]


def _own_folders(folders: Folders | None) -> list[Path]:
    folders = folders or {}
    own = [Path(p) for key in OWN_FOLDERS for p in folders.get(key, ())]
    own += [Path(root) / key for root in folders.get("", ()) for key in OWN_FOLDERS]
    base = os.environ.get("XDG_CACHE_HOME")
    cache = (Path(base) if base else Path.home() / ".cache") / "foleystage" / "models"
    return list(dict.fromkeys([*_named_folders(), *own, cache]))


def _kept_by_others(row: Entry, folders: Folders | None) -> list[Path]:
    folders = folders or {}
    roots = [*(Path(p) for p in folders.get("", ())), *_named_folders()]
    candidates = []
    for other in row.others:
        key, file = other.split("/", 1)
        candidates += [Path(p) / file for p in folders.get(key, ())]
        candidates += [root / other for root in roots]
    return candidates


def _from(
    source: Source,
    row: Entry,
    folder: Path,
    progress: Progress | None,
    cancelled: CancelCheck | None,
    token: str | None,
) -> Path:
    """One source's file, and what must lie beside it; the file itself comes last."""
    plain = not source.also and source.name in row.file_names
    target = folder / (source.name if plain else f"{row.name}/{source.name}")
    for file in source.also:
        beside = type(source)(source.place, file)
        try:
            fetch(_remote(beside, token), target.parent / file, cancelled=cancelled)
        except NotThere as error:
            # Repositories differ in these; the loader says so if one was needed.
            log.info("%s: %s", row.name, error)
    found = fetch(_remote(source, token), target, progress=progress, cancelled=cancelled)
    _record(folder, target, source, row, found)
    return target


def _remote(source: Source, token: str | None) -> Remote:
    """Address, size and hash of a file: of the hub's as huggingface_hub says them."""
    if isinstance(source, Hub):
        return _on_hub(source, token)
    url = f"{source.place}/{source.file}"
    return Remote(source.name, url, {}, source.bytes, source.sha256, source.md5)


def _on_hub(source: Hub, token: str | None) -> Remote:
    try:
        import huggingface_hub as hub
        from huggingface_hub.utils import build_hf_headers
    except ImportError as error:
        raise FoleyError("Downloads need huggingface_hub: pip install huggingface_hub.") from error
    endpoint = _endpoint()
    host = endpoint.split("//")[-1]
    if hub.constants.HF_HUB_OFFLINE:
        raise Unreachable(f"{host} is not asked, because HF_HUB_OFFLINE is set.")
    url = hub.hf_hub_url(source.place, source.file, endpoint=endpoint)
    token = token or hub.get_token()
    try:
        about = hub.get_hf_file_metadata(url, token=token, timeout=30)
    except Exception as error:  # noqa: BLE001 - its exceptions differ from version to version
        raise _hub_error(error, source, host) from error
    headers = build_hf_headers(token=token, library_name="foleystage")
    sha256 = about.etag if about.etag and len(about.etag) == 64 else ""
    if source.bytes and about.size and source.bytes != about.size:
        raise FoleyError(
            f"{source.name} at {host} has {about.size} bytes instead of {source.bytes}: it is not "
            "the file this version of FoleyStage knows; update FoleyStage."
        )
    return Remote(
        source.name,
        url,  # not the address it leads to: that one expires
        headers,
        about.size,
        source.sha256 or sha256,
        source.md5,
        about.etag or "",
    )


def _endpoint() -> str:
    """The hub's address, or its mirror's. The variable is read here: the hub's own copy of it is
    from when it was imported. FoleyError for what is no address; nothing of it is repeated, as it
    may hold a password."""
    endpoint = os.environ.get(ENDPOINT, "").rstrip("/") or "https://huggingface.co"
    if "@" in endpoint:
        raise FoleyError(
            f"{ENDPOINT} holds a name or a password, which it cannot: set HF_TOKEN for those, and "
            f"{ENDPOINT} to the address alone."
        )
    if not _ADDRESS.fullmatch(endpoint):
        raise FoleyError(
            f"{ENDPOINT} is set, but to no address such as https://huggingface.co; correct it, or "
            "unset it."
        )
    return endpoint


def _hub_error(error: Exception, source: Hub, host: str) -> FoleyError:
    """One sentence for whatever the hub's client raised."""
    kinds = {kind.__name__ for kind in type(error).__mro__}
    status = getattr(getattr(error, "response", None), "status_code", None)
    what = source.name
    if "EntryNotFoundError" in kinds or "RevisionNotFoundError" in kinds:
        status, what = 404, f"{what} in {source.place}"
    elif status in (401, 403) or "GatedRepoError" in kinds:
        status, what = 403, f"{source.place} ({what})"
    elif status == 404 or "RepositoryNotFoundError" in kinds:
        status, what = 404, f"repository {source.place}"
    return refusal(status, what, host) or Unreachable(f"{host} could not be reached.")


def _record(folder: Path, target: Path, source: Source, row: Entry, found: dict[str, Any]) -> None:
    """Notes beside the files what came from where: size and hashes where none are published."""
    path = folder / RECORDS
    known = {}
    try:
        known = read_json(path)
        if not isinstance(known, dict):
            raise Unfit("it is no object")
    except FileNotFoundError:
        pass
    except (OSError, Unfit) as error:
        log.warning("%s is written anew, as what it was cannot be read: %s", path, error)
        known = {}
    where = target.relative_to(folder).as_posix()
    known[where] = {"name": row.name, "source": str(source), "licence": row.licence.name, **found}
    try:
        write_json(path, known)
    except OSError as error:
        log.warning("%s could not be written: %s", path, error)
