"""The web server of `onsight run`: its flags, gathered into one value, and the sink that they ask for."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from onsight.options import gathered
from onsight.saving import save_settings
from onsight_edge.errors import MissingExtraError, UsageError

if TYPE_CHECKING:
    from onsight_edge.control import Control
    from onsight_edge.judge import Settings
    from onsight_edge.sources.source import Source
    from onsight_edge.web.sink import WebSink

_F = TypeVar("_F", bound=Callable[..., object])
_DEFAULT = "127.0.0.1:8000"


@dataclass(frozen=True, slots=True)
class Serving:
    """Whether and how a run is to be seen in a browser, as the flags say; a field is a flag.

    Attributes:
        web: where to listen, None for nowhere.
        web_token_file: holds the token, or gets a new one.
        web_name: further host names under which the server may be asked.
        web_cert, web_key: PEM files for TLS.
        web_folder: where pictures that are collected and recordings go.
        web_budget: of each of the two, in MiB.
    """

    web: str | None = None
    web_token_file: Path | None = None
    web_name: tuple[str, ...] = ()
    web_cert: Path | None = None
    web_key: Path | None = None
    web_folder: Path | None = None
    web_budget: int = 1024

    def check_for_service(self) -> None:
        """Refuse what would put the token into the system's log, where a service's lines go.

        Raises:
            UsageError: it would.
        """
        from onsight_edge.web.address import parse_address

        if self.web is not None and self.web_token_file is None and not parse_address(self.web).loopback:
            raise UsageError(f"--web {self.web} needs --web-token-file FILE here: a service has nobody to tell a token")

    @property
    def targets(self) -> dict[str, str | Path]:
        """What would be written, by its flag."""
        asked = {"--web-folder": self.web_folder, "--web-token-file": self.web_token_file}
        return {flag: target for flag, target in asked.items() if target is not None and self.web is not None}

    @property
    def files(self) -> tuple[Path | None, ...]:
        """What is read: certificate and key."""
        return (self.web_cert, self.web_key)

    def check(self) -> None:
        """Refuse flags that make no sense, before anything is opened.

        Raises:
            UsageError: one does not. MissingExtraError: the extra `web` is not installed.
        """
        if self.web is None:
            given = {
                "--web-token-file": self.web_token_file,
                "--web-name": self.web_name,
                "--web-cert": self.web_cert,
                "--web-key": self.web_key,
                "--web-folder": self.web_folder,
            }
            for flag, value in given.items():
                if value:
                    raise UsageError(f"{flag} does nothing without --web: add it, or leave {flag} out")
            return
        if (self.web_cert is None) != (self.web_key is None):
            raise UsageError("--web-cert and --web-key are given together: the certificate and its key")
        from onsight_edge.web.address import check_name, parse_address

        parse_address(self.web)
        for name in self.web_name:
            check_name(name)
        try:
            import python_multipart  # noqa: F401
            import starlette  # noqa: F401
            import uvicorn  # noqa: F401
        except ImportError as error:
            raise MissingExtraError(error.name or "starlette", "web", "--web") from error


def web_options(command: _F) -> _F:
    """All flags of `Serving`; the command gets one as its parameter `serving`."""
    file = click.Path(path_type=Path, dir_okay=False)
    return gathered(
        command,
        "serving",
        Serving,
        click.option(
            "--web",
            is_flag=False,
            flag_value=_DEFAULT,
            metavar="[HOST:PORT]",
            help=f"Serve a dashboard and an HTTP API; {_DEFAULT} where nothing else is said. Others need a token.",
        ),
        click.option(
            "--web-token-file", type=file, metavar="FILE", help="Ask clients for the token in it; made where missing."
        ),
        click.option("--web-name", multiple=True, metavar="NAME", help="A host name under which the server is known."),
        click.option("--web-cert", type=file, metavar="FILE", help="A certificate in PEM, for https."),
        click.option("--web-key", type=file, metavar="FILE", help="The certificate's key."),
        click.option(
            "--web-folder",
            type=click.Path(path_type=Path, file_okay=False),
            metavar="FOLDER",
            help="Where the dashboard may put collected pictures and recordings.",
        ),
        click.option(
            "--web-budget",
            type=click.IntRange(1),
            default=1024,
            show_default=True,
            metavar="MIB",
            help="Room in it for the pictures, and for the recordings.",
        ),
    )


def make_web(serving: Serving, control: Control, source: Source, config: Path | None) -> WebSink | None:
    """The server that was asked for, not yet open; with a configuration file it can save settings there."""
    if serving.web is None:
        return None
    from onsight_edge.web.address import check_name, new_token, parse_address, token_file
    from onsight_edge.web.sink import WebOptions, WebSink

    address = parse_address(serving.web)
    token = None
    if serving.web_token_file is not None:
        token = token_file(serving.web_token_file)
    elif not address.loopback:
        token = new_token()
    cert, key = serving.web_cert, serving.web_key
    options = WebOptions(
        address,
        token,
        tuple(check_name(name) for name in serving.web_name),
        None if cert is None or key is None else (cert, key),
        serving.web_folder,
        serving.web_budget * 2**20,
    )

    def save(settings: Settings) -> None:
        if config is not None:
            save_settings(config, asdict(settings))

    return WebSink(options, control, health=lambda: source.health, save=None if config is None else save)


def serving_of(parameters: Mapping[str, Any]) -> Serving:
    """What the parameters of a call of `onsight run` say, click's `Context.params`."""
    return Serving(**{one.name: parameters[one.name] for one in fields(Serving)})


def say_where(web: WebSink, serving: Serving) -> None:
    """One line with the address; with the token in it where that stands in no file: nowhere else is it ever told."""
    if serving.web_token_file is None:
        print(f"dashboard: {web.url}", file=sys.stderr)
    else:
        address = web.url.partition("?")[0]
        print(f"dashboard: {address}?token=, and then what {serving.web_token_file} holds", file=sys.stderr)
    if web.open_to_listeners:
        print("onsight: without --web-cert whoever shares the network can read along", file=sys.stderr)
