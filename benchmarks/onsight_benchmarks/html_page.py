"""What all HTML pages here have in common: one style, escaped names, nothing outside the file.

Charts are inline SVG whose colours are the style's variables, so that they follow light and dark; pictures are data
URIs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from onsight_edge.errors import MissingExtraError

STYLE = Path(__file__).with_name("style.css")


def require_jinja() -> None:
    """Say now, and not after minutes of measuring, that the page's package is missing.

    Raises:
        MissingExtraError: jinja2 is not installed.
    """
    try:
        import jinja2  # noqa: F401
    except ModuleNotFoundError as error:
        raise MissingExtraError("jinja2", "plots", "the HTML page") from error


def fill_page(template: Path, filters: Mapping[str, Callable[..., str]], **values: Any) -> str:
    """A template's page; text is escaped wherever it stands, `markupsafe.Markup` is not. `style` is the style sheet.

    Raises:
        MissingExtraError: jinja2 is not installed.
    """
    require_jinja()
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update({"percent": percent, **filters})
    style = Markup(STYLE.read_text(encoding="utf-8"))
    return environment.from_string(template.read_text(encoding="utf-8")).render(style=style, **values)


def percent(share: float | None, digits: int = 1) -> str:
    """A share as `12.3 %`, or a dash where it is not defined."""
    return "–" if share is None else f"{100 * share:.{digits}f}\N{NO-BREAK SPACE}%"
