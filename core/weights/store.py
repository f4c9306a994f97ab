"""Finding, listing and downloading weights.

Looked into, in order: the folders of FOLEYSTAGE_MODELS, ComfyUI's folders as the caller names
them, the user's own cache; then the places where other packs keep the same files.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import FoleyError
from .advice import download_advice
from .fetch import CancelCheck, NotThere, Progress, Remote, Unreachable, fetch, refused_sentence
from .minis import FOLDER as MINIS
from .registry import ENTRIES, Bundled, Entry, Hub, Manual, Source, Url, entry

log = logging.getLogger(__name__)

VARIABLE = "FOLEYSTAGE_MODELS"
RECORDS = "foleystage_downloads.json"
# ComfyUI's names of this pack's folders; "" in a mapping of folders means whole models folders.
OWN_FOLDERS = ("foleystage", "foley")

Folders = Mapping[str, Sequence[Path | str]]


@dataclass(frozen=True)
class Listed:
    """A row of the registry and where it lies here, None when it does not."""

    entry: Entry
    path: Path | None

    @property
    def bytes(self) -> int | None:
        """Size of the file here."""
        return self.path.stat().st_size if self.path else None


def list_models(folders: Folders | None = None) -> list[Listed]:
    """Every row of the registry with its file, as `find` sees it."""
    return [Listed(row, find(row.name, folders)) for row in ENTRIES]


def find(name: str, folders: Folders | None = None) -> Path | None:
    """The file of a model, None when it is nowhere.

    folders: ComfyUI's folder names and their paths, such as {"mmaudio": [...], "checkpoints":
    [...]}, None outside it; "" names whole models folders, under which each name is a subfolder.
    Raises FoleyError for a name that the registry does not know.
    """
    row = entry(name)
    if isinstance(row.source, Bundled):
        path = MINIS / row.source.file
        return path if path.is_file() else None
    own = [file for folder in _own_folders(folders) for file in _in_folder(row, folder)]
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
    Raises FoleyError, each one sentence: unknown name, no network, no permission, gone, cut off
    again and again, wrong size or hash, disk full, folder not writable; Cancelled.
    """
    row = entry(name)
    anywhere = folder is None or isinstance(row.source, Bundled)
    folder = download_folder(folders) if folder is None else Path(folder)
    found = find(name, folders) if anywhere else _first(_in_folder(row, folder))
    if found is not None:
        return found
    if all(isinstance(source, (Manual, Bundled)) for source in row.sources):
        raise FoleyError(_missing(row, folder))
    failures: list[FoleyError] = []
    for source in row.sources:
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


def missing_sentence(row: Entry, folders: Folders | None = None) -> str:
    """What an artist without the file, or without network, needs to know."""
    fetched = not isinstance(row.source, (Manual, Bundled))
    advice = download_advice([row.name], in_comfyui=folders is not None) if fetched else ""
    return _missing(row, download_folder(folders), f"{advice}, or " if advice else "")


def _missing(row: Entry, folder: Path, advice: str = "") -> str:
    by_hand = _by_hand(row, folder)
    return f"The weights of {row.name} are not on this machine: {advice}{by_hand}."


def _by_hand(row: Entry, folder: Path) -> str:
    source = row.source
    if isinstance(source, Bundled):
        return f"{source.file} comes with FoleyStage; install it again"
    base = source.file.rsplit("/", 1)[-1]
    target = (folder / next(n for n in row.file_names if n.rsplit("/", 1)[-1] == base)).parent
    return f"put {source.file} from {source} (licence: {row.terms}) into {target}"


def _first(candidates: Sequence[Path]) -> Path | None:
    return next((path for path in candidates if path.is_file()), None)


def _in_folder(row: Entry, folder: Path) -> list[Path]:
    return [folder / file for file in row.file_names]


def _own_folders(folders: Folders | None) -> list[Path]:
    named = [Path(p) for p in os.environ.get(VARIABLE, "").split(os.pathsep) if p]
    for key in OWN_FOLDERS:
        named += [Path(p) for p in (folders or {}).get(key, ())]
    for root in (folders or {}).get("", ()):
        named += [Path(root) / key for key in OWN_FOLDERS]
    return list(dict.fromkeys([*named, _cache_folder()]))


def _cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "foleystage" / "models"


def _kept_by_others(row: Entry, folders: Folders | None) -> list[Path]:
    candidates = []
    roots = [Path(p) for p in (folders or {}).get("", ())]
    roots += [Path(p) for p in os.environ.get(VARIABLE, "").split(os.pathsep) if p]
    for other in row.others:
        key, file = other.split("/", 1)
        candidates += [Path(p) / file for p in (folders or {}).get(key, ())]
        candidates += [root / key / file for root in roots]
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
    if isinstance(source, (Manual, Bundled)):
        raise NotThere(_missing(row, folder))
    base = source.file.rsplit("/", 1)[-1]
    inside = f"{row.name}/{base}"
    plain = not source.also and base in row.file_names
    target = folder / (base if plain else inside)
    for name in source.also:
        try:
            _one(source, name, target.parent / name, None, cancelled, token)
        except NotThere as error:
            # Repositories differ in these; the loader says so if one was needed.
            log.info("%s: %s", row.name, error)
    found = _one(source, source.file, target, progress, cancelled, token)
    _record(folder, target, source, row, found)
    return target


def _one(
    source: Hub | Url,
    file: str,
    target: Path,
    progress: Progress | None,
    cancelled: CancelCheck | None,
    token: str | None,
) -> dict[str, Any]:
    main = file == source.file
    if isinstance(source, Url):
        remote = Remote(file, source.url, {}, source.bytes, source.sha256, source.md5)
    else:
        remote = _on_hub(source, file, token, main)
    return fetch(remote, target, progress=progress, cancelled=cancelled)


def _on_hub(source: Hub, file: str, token: str | None, main: bool) -> Remote:
    """Address, size and hash of a hub file, as huggingface_hub tells them."""
    try:
        import huggingface_hub as hub
        from huggingface_hub.utils import build_hf_headers
    except ImportError as error:
        raise FoleyError("Downloads need huggingface_hub: pip install huggingface_hub.") from error
    # The variable is read here: the hub's own copy of it is from when it was imported.
    endpoint = os.environ.get("HF_ENDPOINT", "").rstrip("/") or "https://huggingface.co"
    host = endpoint.split("//")[-1]
    if hub.constants.HF_HUB_OFFLINE:
        raise Unreachable(f"{host} is not asked, because HF_HUB_OFFLINE is set.")
    url = hub.hf_hub_url(source.repo, file, revision=source.revision, endpoint=endpoint)
    token = token or hub.get_token()
    try:
        about = hub.get_hf_file_metadata(url, token=token, timeout=30)
    except Exception as error:  # noqa: BLE001 - its exceptions differ from version to version
        raise _hub_error(error, source, file, host) from error
    name = file.rsplit("/", 1)[-1]
    headers = build_hf_headers(token=token, library_name="foleystage")
    sha256 = about.etag if about.etag and len(about.etag) == 64 else ""
    published = source if main else None
    if published and published.bytes and about.size and published.bytes != about.size:
        raise FoleyError(
            f"{name} at {host} has {about.size} bytes instead of {published.bytes}: it is not the "
            "file this version of FoleyStage knows; update FoleyStage."
        )
    return Remote(
        name,
        # Not the address it leads to: that one expires.
        url,
        headers,
        about.size,
        (published.sha256 if published else "") or sha256,
        published.md5 if published else "",
        about.etag or "",
    )


def _hub_error(error: Exception, source: Hub, file: str, host: str) -> FoleyError:
    """One sentence for whatever the hub's client raised."""
    kinds = {kind.__name__ for kind in type(error).__mro__}
    status = getattr(getattr(error, "response", None), "status_code", None)
    name = file.rsplit("/", 1)[-1]
    if "EntryNotFoundError" in kinds or "RevisionNotFoundError" in kinds:
        return NotThere(f"{host} has no {name} in {source.repo} (any more).")
    if status in (401, 403) or "GatedRepoError" in kinds:
        return FoleyError(refused_sentence(f"{source.repo} ({name})", host))
    if status == 404 or "RepositoryNotFoundError" in kinds:
        return NotThere(f"{host} has no repository {source.repo} (any more).")
    if status is not None and status < 500:
        return FoleyError(f"{host} refused {name} (status {status}).")
    return Unreachable(f"{host} could not be reached.")


def _record(folder: Path, target: Path, source: Source, row: Entry, found: dict[str, Any]) -> None:
    """Notes beside the files what came from where: size and hashes where none are published."""
    path = folder / RECORDS
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        known = {}
    where = target.relative_to(folder).as_posix()
    known[where] = {"name": row.name, "source": str(source), "licence": row.licence.name, **found}
    beside = path.with_name(path.name + ".part")
    try:
        beside.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        os.replace(beside, path)
    except OSError as error:
        log.warning("%s could not be written: %s", path, error)
