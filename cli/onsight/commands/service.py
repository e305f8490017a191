"""`onsight service`: a live run as a systemd service."""

from __future__ import annotations

import getpass
import grp
import os
import pwd
import shlex
import sys
from pathlib import Path

import click

from onsight.main import print_json
from onsight.options import FiniteRange, json_option
from onsight.systemd import ServiceState, Systemd
from onsight_edge.errors import OnsightError, UsageError
from onsight_edge.files import cache_folder
from onsight_edge.unit import Unit, unreadable_for_others, without_nested

_GROUPS = ("video", "render")  # cameras; the graphics processor that decodes for them
_LEAST_WATCHDOG_S = 5.0


@click.command("service")
@click.argument("action", type=click.Choice(["install", "status", "uninstall"]))
@click.argument("run_arguments", nargs=-1, metavar="[-- RUN ARGUMENTS]")
@click.option("--name", default="onsight", show_default=True, help="Of the service.")
@click.option("--user", metavar="NAME", help="Who runs it; default: who called, also through sudo.")
@click.option("--dynamic-user", is_flag=True, help="Run it as a user that exists only while it runs.")
@click.option(
    "--watchdog",
    type=FiniteRange(0),
    default=30.0,
    show_default=True,
    metavar="SECONDS",
    help="Start it again when no result came for so long; 0: never for that reason.",
)
@click.option(
    "--write",
    type=click.Path(path_type=Path, file_okay=False),
    multiple=True,
    metavar="FOLDER",
    help="A further folder that it may write to; those of its outputs are found by themselves.",
)
@click.option(
    "--secrets",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="A file of NAME=value lines, such as a broker's password, for its environment.",
)
@click.option("--print", "only_print", is_flag=True, help="Print the unit and install nothing.")
@click.option("--no-start", is_flag=True, help="Start it with the machine, but not now.")
@json_option
def command(
    action: str,
    run_arguments: tuple[str, ...],
    name: str,
    user: str | None,
    dynamic_user: bool,
    watchdog: float,
    write: tuple[Path, ...],
    secrets: Path | None,
    only_print: bool,
    no_start: bool,
    as_json: bool,
) -> int:
    """Install `onsight run` as a service, look at it, or remove it.

    What stands behind -- is given to `onsight run`: onsight service install -- my.bundle --source 0 --web
    """
    if action != "install" and run_arguments:
        raise UsageError(f"service {action} takes no arguments for onsight run")
    if action == "status":
        return _status(name, as_json)
    if action == "uninstall":
        removed = Systemd().uninstall(name)
        if as_json:
            print_json({"name": name, "removed": removed})
        else:
            print(f"removed {name}.service; what it wrote stays" if removed else f"there is no {name}.service here")
        return 0
    if user is not None and dynamic_user:
        raise UsageError("--user and --dynamic-user contradict each other: give one of them")
    if 0 < watchdog < _LEAST_WATCHDOG_S:
        raise UsageError(f"--watchdog must be 0 or at least {_LEAST_WATCHDOG_S:g} seconds: cameras have short breaks")
    unit = _unit(name, run_arguments, None if dynamic_user else user or _caller(), watchdog, write, secrets)
    systemd = Systemd()
    problems = systemd.verify(unit)
    if problems:
        raise OnsightError(f"systemd would not take the unit: {problems[0]}")
    if not only_print:
        systemd.install(unit, start=not no_start)
    if as_json:
        print_json({"name": name, "file": str(systemd.path(name)), "installed": not only_print, "unit": unit.text})
    elif only_print:
        print(unit.text, end="")
    else:
        print(f"{systemd.path(name)} written, {'enabled' if no_start else 'enabled and started'}")
        print(f"onsight service status --name {name}; journalctl -u {name} -f")
    return 0


def _unit(
    name: str,
    run_arguments: tuple[str, ...],
    user: str | None,
    watchdog: float,
    write: tuple[Path, ...],
    secrets: Path | None,
) -> Unit:
    outputs, inputs = _check_run(run_arguments)
    _check_writable(outputs, Path("/var/lib") / name, user)
    quiet = () if "--quiet" in run_arguments else ("--quiet",)  # a status line has no place in the journal
    environment: dict[str, str] = {}
    writes = [file.absolute().parent for file in outputs] + [folder.absolute() for folder in write]
    if user is None:
        environment.update(HOME=f"/var/lib/{name}", ONSIGHT_CACHE=f"/var/lib/{name}/cache")
    else:
        try:
            home = Path(pwd.getpwnam(user).pw_dir)
        except KeyError as error:
            raise UsageError(f"there is no user {user!r} on this machine") from error
        cache = os.environ.get("ONSIGHT_CACHE")
        if cache:
            environment["ONSIGHT_CACHE"] = str(Path(cache).expanduser().absolute())
        writes.append(Path(environment["ONSIGHT_CACHE"]) if cache else _cache_of(home))
    if state := os.environ.get("ONSIGHT_STATE"):  # device profiles are read there
        environment["ONSIGHT_STATE"] = str(Path(state).expanduser().absolute())
    for folder in write:
        if not folder.is_dir():
            raise UsageError(f"--write {folder}: there is no such folder; make it, and give it to the service's user")
    if secrets is not None and not secrets.is_file():
        raise UsageError(f"--secrets {secrets}: there is no such file")
    unit = Unit(
        name=name,
        command=(*_program(), "run", *run_arguments, *quiet),
        folder=Path.cwd(),
        user=user,
        groups=tuple(group for group in _GROUPS if _is_group(group)),
        writes=without_nested(writes),
        watchdog_s=watchdog or None,
        environment=tuple(environment.items()),
        secrets=None if secrets is None else secrets.absolute(),
    )
    if user is None:
        for path in (Path(sys.executable), Path.cwd(), *inputs):
            closed = unreadable_for_others(path)
            if closed is not None:
                raise UsageError(
                    f"a user that exists only while it runs cannot read {path}: {closed} is closed to others; "
                    "give --user NAME, or move it to a place such as /opt"
                )
    return unit


def _check_run(arguments: tuple[str, ...]) -> tuple[list[Path], list[Path]]:
    """The files that `onsight run` with these arguments would write, and those of this machine that it would read.

    Raises:
        UsageError: it would not start.
    """
    from onsight.commands import run
    from onsight.serving import serving_of
    from onsight.sinking import make_sinks, outputs_of

    if not arguments:
        raise UsageError("what shall the service run? onsight service install -- my.bundle --source 0")
    try:
        context = run.command.make_context("onsight run", list(arguments))
    except click.exceptions.Exit as error:  # --help
        raise UsageError("onsight service install -- takes what `onsight run` takes") from error
    except click.ClickException as error:
        raise UsageError(f"onsight run would not take {shlex.join(arguments)!r}: {error.format_message()}") from error
    outputs = outputs_of(context.params)
    if outputs.pictures.window:
        raise UsageError("--window needs a screen, which a service has none of")
    serving = serving_of(context.params)
    run.check_call(context)
    serving.check_for_service()
    make_sinks(outputs)  # which opens none of them
    targets = {**outputs.targets, **serving.targets}
    written = [Path(target) for target in targets.values() if str(target) != "-"]
    return written, [Path(one) for one in run.files_read(context) if Path(one).exists()]


def _check_writable(outputs: list[Path], state: Path, user: str | None) -> None:
    for file in outputs:
        folder = file.absolute().parent
        if any(private in (folder, *folder.parents) for private in (Path("/tmp"), Path("/var/tmp"))):
            raise UsageError(
                f"{file}: a service has a /tmp of its own, where nobody would find it: name another folder"
            )
        if user is None and state not in (folder, *folder.parents):
            raise UsageError(
                f"{file}: a user that exists only while it runs can write to {state} only: name a file there, or --user"
            )
        if user is not None and not folder.is_dir():
            raise UsageError(f"{file}: there is no folder {folder}; make it, and give it to {user}")


def _status(name: str, as_json: bool) -> int:
    state = Systemd().state(name)
    if as_json:
        print_json({"name": name, **state.to_json()})
    else:
        for line in _lines(name, state):
            print(line)
    return 0 if state.active == "active" else 1


def _lines(name: str, state: ServiceState) -> list[str]:
    if state.loaded == "not-found":
        return [f"there is no {name}.service here: onsight service install -- MODEL --source URI"]
    lines = [f"{name}.service: {state.active} ({state.sub}), {state.enabled or 'not enabled'}"]
    if state.since:
        lines.append(f"since {state.since}")
    if state.status:
        lines.append(state.status)
    if state.result not in (None, "success"):
        lines.append(f"it last ended with: {state.result}; journalctl -u {name} says more")
    if state.restarts:
        lines.append(f"started again {state.restarts} times")
    return lines


def _program() -> tuple[str, ...]:
    script = Path(sys.executable).parent / "onsight"
    return (str(script),) if script.is_file() else (sys.executable, "-m", "onsight")


def _caller() -> str | None:
    """Who called, also through sudo; None for root itself, which no camera needs."""
    name = os.environ.get("SUDO_USER") or getpass.getuser()
    return None if name == "root" else name


def _cache_of(home: Path) -> Path:
    return cache_folder() if home == Path.home() else home / ".cache" / "onsight"


def _is_group(name: str) -> bool:
    try:
        grp.getgrnam(name)
    except KeyError:
        return False
    return True
