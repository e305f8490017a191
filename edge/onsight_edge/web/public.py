"""What may be told to whoever sees the dashboard: no path of this device, no address with what follows it."""

from __future__ import annotations

import re
from pathlib import PurePath
from urllib.parse import urlsplit

_NETWORK = frozenset({"http", "https", "rtsp", "rtsps"})
_PATH = re.compile(r"""(?<![\w/:.~-])~?/[^\s"'`,;:()\[\]]+""")


def public_source(uri: str) -> str:
    """A source's name without its place: `clip.mp4` of a file, scheme and host of a stream."""
    scheme, separator, rest = uri.partition("://")
    if separator and scheme.lower() in _NETWORK:
        try:
            parts = urlsplit(uri)
            return f"{scheme}://{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}"
        except ValueError:
            return f"{scheme}://"
    if uri == "-" or uri.startswith("pipe:"):
        return "pipe"
    name = PurePath((rest if separator else uri).partition("?")[0]).name
    return f"{scheme}://{name}" if separator and scheme != "file" else name or uri.partition("?")[0]


def public_name(name: str) -> str:
    """A file's name without its folders."""
    return PurePath(name).name


def public_text(text: str, uri: str = "") -> str:
    """A line for people with the source's place and all absolute paths cut down to their last part."""
    if uri:
        text = text.replace(uri, public_source(uri))
    return _PATH.sub(lambda found: PurePath(found[0]).name, text)
