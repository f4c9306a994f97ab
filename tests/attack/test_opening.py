"""Only the file that was named is opened: no list, no pattern, no address, no pipe."""

from __future__ import annotations

import io
import os
import re
import socket
import threading
from pathlib import Path

import media_files as make
import pytest
from foleystage.core.media import probe
from media_files import FPS
from uses import everything

pytestmark = pytest.mark.usefixtures("within_bounds")

LISTS = {
    "local.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:9,\n{other}\n#EXT-X-ENDLIST\n",
    "relative.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:9,\nother.mp4\n#EXT-X-ENDLIST\n",
    "url.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:9,\n{url}\n#EXT-X-ENDLIST\n",
    "key.m3u8": '#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI="{url}"\n#EXTINF:9,\n{other}\n',
    "map.m3u8": '#EXTM3U\n#EXT-X-MAP:URI="{url}"\n#EXTINF:9,\n{other}\n#EXT-X-ENDLIST\n',
    "live.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:9,\n{url}\n",
    "file_url.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:9,\nfile://{other}\n",
    "named_mp4.mp4": "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:9,\n{other}\n#EXT-X-ENDLIST\n",
    "concat.mp4": "ffconcat version 1.0\nfile other.mp4\n",
    "concat.ffconcat": "ffconcat version 1.0\nfile '{other}'\n",
    "session.sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n",
    "list.asx": '<asx version="3.0"><entry><ref href="{url}"/></entry></asx>',
    "list.pls": "[playlist]\nFile1={url}\nNumberOfEntries=1\n",
    "manifest.mpd": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><BaseURL>{url}'
    "</BaseURL></MPD>",
    "picture.svg": '<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><image '
    'href="{url}"/></svg>',
    "script.avs": 'FFmpegSource2("{other}")\n',
    "words.txt": "just some words\n" * 50,
    "art.ans": "\x1b[31mred\x1b[0m\n" * 50,
}


@pytest.fixture
def listener():
    """A server of this machine that counts who asks it for something."""
    asked: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)

        def serve() -> None:
            while server.fileno() >= 0:
                try:
                    asked.append(server.accept()[0].recv(100))
                except TimeoutError:
                    continue
                except OSError:
                    return

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/secret.mp4", asked


@pytest.mark.parametrize("name", LISTS)
def test_a_list_of_other_files_is_refused_and_none_is_opened(name, tmp_path, listener):
    url, asked = listener
    other = make.clip(tmp_path / "other.mp4")
    text = LISTS[name].replace("{other}", str(other)).replace("{url}", url)
    (tmp_path / name).write_text(text)
    os.utime(other, (1, 1))
    with open(tmp_path / name, "rb") as file:
        for source in (tmp_path / name, file, io.BytesIO(text.encode())):
            sentences = everything(source, tmp_path)
            assert len(sentences) == 5
            assert all(re.search("list that points|not a video", said) for said in sentences)
    assert not asked and not list(tmp_path.glob("out*"))


def test_a_name_that_looks_like_a_pattern_is_that_file(tmp_path):
    make.png(tmp_path / "f001.png", 64, 48)
    make.png(tmp_path / "f%03d.png", 32, 16)
    make.png(tmp_path / "*.png", 16, 16)
    assert probe(tmp_path / "f%03d.png").width == 32
    assert probe(tmp_path / "*.png").width == 16


@pytest.mark.parametrize(
    "name", ["http:x.mkv", "concat:plain.mkv", "data:x.mkv", "-i.mkv", "a b'\".mkv"]
)
def test_a_name_that_looks_like_an_address_is_a_file(name, plain, tmp_path):
    (tmp_path / name).write_bytes(plain.read_bytes())
    assert probe(tmp_path / name).fps == FPS


def pipe(path: Path) -> Path:
    os.mkfifo(path)
    return path


def listening_socket(path: Path) -> Path:
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.close()
    return path


@pytest.mark.parametrize(
    ("name", "made", "sentence"),
    [
        ("pipe", pipe, "pipe, a socket or a device"),
        ("socket", listening_socket, "pipe, a socket or a device"),
        ("null", lambda path: Path("/dev/null"), "pipe, a socket or a device"),
        ("zero", lambda path: Path("/dev/zero"), "pipe, a socket or a device"),
        ("kernel", lambda path: Path("/proc/kmsg"), "empty|permissions"),
        ("folder", lambda path: path.parent, "is a folder"),
        ("missing", lambda path: path, "no file"),
        ("zero byte", lambda path: Path("a\0b"), "cannot be opened"),
    ],
)
def test_only_regular_files_are_opened(name, made, sentence, tmp_path):
    sentences = everything(made(tmp_path / name), tmp_path)
    assert len(sentences) == 5 and all(re.search(sentence, said) for said in sentences)
