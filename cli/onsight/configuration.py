"""A TOML file that says what the flags of `onsight run` say: read, checked, printed.

Its keys are the flags without their dashes, and `model`; a flag that is given on the command line wins.
"""

from __future__ import annotations

import difflib
import re
import sys
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from onsight_edge.errors import UsageError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_F = TypeVar("_F", bound=Callable[..., object])
_NOT_IN_A_FILE = ("config", "as_json")  # they belong to one call
_MUCH = 1 << 20


@dataclass(frozen=True, slots=True)
class Configuration:
    """What a file says, checked.

    Attributes:
        path: of the file.
        given: key -> value, as the file has them.
        defaults: parameter name of the command -> the same value as click takes it for a default.
    """

    path: Path
    given: dict[str, Any]
    defaults: dict[str, Any]


def config_option(command: _F) -> _F:
    """`--config FILE`: what a file says becomes the defaults of the other flags."""
    return click.option(
        "--config",
        type=click.Path(path_type=Path, dir_okay=False),
        is_eager=True,  # before the flags whose defaults it brings
        callback=_take,
        help="A TOML file that says what flags say; flags win.",
    )(command)


def read_configuration(path: Path, command: click.Command) -> Configuration:
    """Read a file for a command.

    Raises:
        UsageError: it cannot be read, is not TOML, or has a key or a value that the command does not know; the message
            names the line.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_MUCH + 1)
        text = data.decode("utf-8")
    except OSError as error:
        raise UsageError(f"cannot read the configuration {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is no TOML: it is not UTF-8 text") from error
    if len(data) > _MUCH:
        raise UsageError(f"{path} is no configuration: it is larger than {_MUCH >> 20} MiB")
    try:
        found = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError(f"{path} is no TOML: {error}") from error
    known = parameters(command)
    context = click.Context(command)
    defaults = {}
    for key, value in found.items():
        where = f"{path}, line {_line(text, key)}: {key}"
        if key not in known:
            near = difflib.get_close_matches(key, known, 1)
            hint = f"did you mean {near[0]}?" if near else "`onsight config` lists all there are"
            raise UsageError(f"{where} is no setting of onsight run; {hint}")
        defaults[known[key].name or key] = _checked(known[key], value, where, context)
    return Configuration(path, found, defaults)


def parameters(command: click.Command) -> dict[str, click.Parameter]:
    """Key in a file -> the command's parameter, in the order of its help."""
    return {
        _key(one): one
        for one in command.params
        if one.name not in _NOT_IN_A_FILE and isinstance(one, click.Option | click.Argument)
    }


def configuration_text(command: click.Command, given: Mapping[str, Any]) -> str:
    """A file with every setting, each with its meaning: those in `given` set, the others commented out."""
    lines = ["# Settings of `onsight run --config FILE`; a flag on the command line wins.", ""]
    for key, parameter in parameters(command).items():
        help_ = getattr(parameter, "help", None) or "The model: a bundle, a model file, or `default`."
        lines += [f"# {line}" for line in textwrap.wrap(help_, 110)]
        if key in given:
            lines.append(f"{key} = {_toml(given[key])}")
        else:
            lines.append(f"#{key} = {_example(parameter)}")
        lines.append("")
    return "\n".join(lines) + "\n"


def _take(context: click.Context, parameter: click.Parameter, path: Path | None) -> Path | None:
    if path is not None:
        found = read_configuration(path, context.command)
        context.default_map = {**(context.default_map or {}), **found.defaults}
    return path


def _key(parameter: click.Parameter) -> str:
    if isinstance(parameter, click.Option):
        return max(parameter.opts, key=len).lstrip("-")
    return parameter.name or ""


def _line(text: str, key: str) -> int:
    """The line that a key of the file's top level stands in, from 1; that of its table where it is one."""
    name = re.escape(key)
    found = re.search(rf"""^[ \t]*(?:\[+[ \t]*)?["']?{name}["']?[ \t]*[=.\]]""", text, re.MULTILINE)
    return 1 if found is None else text.count("\n", 0, found.end()) + 1


def _checked(parameter: click.Parameter, value: Any, where: str, context: click.Context) -> Any:
    if isinstance(value, dict):
        raise UsageError(f'{where} is a table; a setting is a line of its own, such as: source = "0"')
    given: Any
    if isinstance(parameter, click.Option) and parameter.is_flag:
        if not isinstance(value, bool):
            raise UsageError(f"{where} must be true or false, not {_shown(value)}")
        given = value
    elif isinstance(value, bool) and (usual := _usual(parameter)) is not None:
        given = usual if value else None  # as the flag that stands alone, or not at all
    elif parameter.multiple or parameter.nargs != 1:
        if not isinstance(value, list):
            raise UsageError(f'{where} must be a list such as ["a", "b"], not {_shown(value)}')
        given = tuple(_scalar(one, where) for one in value)
    else:
        given = _scalar(value, where)
    try:
        parameter.process_value(context, given)
    except click.ClickException as error:
        raise UsageError(f"{where}: {error.message}") from error
    except UsageError as error:
        raise UsageError(f"{where}: {error}") from error
    return given


def _usual(parameter: click.Parameter) -> str | None:
    """What a flag means that stands alone and may also take a value; None for all others."""
    value = parameter.flag_value if isinstance(parameter, click.Option) else None
    return value if isinstance(value, str) else None


def _scalar(value: Any, where: str) -> str:
    """What would stand on the command line."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise UsageError(f"{where} must be a text or a number, not {_shown(value)}")
    return str(value)


def _shown(value: Any) -> str:
    return repr(value)[:40] if not isinstance(value, bool) else str(value).lower()


def _example(parameter: click.Parameter) -> str:
    """What the file shows for a setting that it leaves alone."""
    default = _usual(parameter) or parameter.default
    if isinstance(parameter, click.Option) and parameter.is_flag:
        return "true" if default is True else "false"
    if isinstance(default, str | int | float):
        return _toml(default)
    if parameter.multiple:
        return "[]"
    if isinstance(parameter.type, click.types.IntParamType | click.types.FloatParamType):
        return "NUMBER"
    return '"TEXT"'


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    escaped = "".join(_escaped(letter) for letter in str(value))
    return f'"{escaped}"'


def _escaped(letter: str) -> str:
    if letter in '\\"':
        return "\\" + letter
    return f"\\u{ord(letter):04x}" if ord(letter) < 32 or ord(letter) == 127 else letter
