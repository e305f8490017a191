"""The page for a person who has no token yet: says where it is, and takes it.

Its style stands in it, allowed by its digest: files are behind the door.
"""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from html import escape

from starlette.responses import Response

_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 26rem; margin: 14vh auto; padding: 0 1.2rem; }
h1 { font-size: 1.5rem; margin: 0 0 .5rem; }
form { display: grid; gap: .6rem; margin-top: 1.2rem; }
input, button { font: inherit; padding: .6rem .8rem; border-radius: .6rem; border: 1px solid GrayText; }
button { background: #0b7a67; color: #fff; border-color: #0b7a67; font-weight: 600; cursor: pointer; }
:focus-visible { outline: 3px solid Highlight; outline-offset: 2px; }
code { overflow-wrap: anywhere; }
"""
_PAGE = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8">'
    '<meta name="viewport" content="width=device-width, initial-scale=1"><title>onsight: locked</title>'
    f"<style>{_STYLE}</style></head><body><main><h1>This camera is locked</h1>"
    "<p>Its token stands in the address that <code>onsight run</code> printed when it started, behind "
    "<code>?token=</code>, or in the file of <code>--web-token-file</code>.</p>{remark}"
    '<form action="/" method="get"><label for="token">Token</label>'
    '<input id="token" name="token" type="password" required autocomplete="current-password">'
    "<button>Open</button></form></main></body></html>"
)
_POLICY = (
    f"default-src 'none'; style-src 'sha256-{b64encode(sha256(_STYLE.encode()).digest()).decode()}'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)


def locked_page(status: int, remark: str = "", headers: dict[str, str] | None = None) -> Response:
    """The page, with a sentence of what was wrong with the token that was given."""
    shown = f'<p role="alert"><strong>{escape(remark)}</strong></p>' if remark else ""
    return Response(
        _PAGE.replace("{remark}", shown),
        status,
        headers={**(headers or {}), "Content-Security-Policy": _POLICY},
        media_type="text/html",
    )
