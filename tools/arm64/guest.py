#!/usr/bin/env python3
"""onsight's wheel in a Debian arm64 userland, executed by qemu with the processor of a Raspberry Pi 4 or 5.

    python tools/arm64/guest.py [--release trixie] [--cpu cortex-a76] [--extra EXTRA] [--count] -- ARGUMENTS...

runs that userland's Python with ARGUMENTS, such as `-m onsight doctor`; it sees this machine's files. Everything that
is fetched or built stays below build/arm64, so that a second run fetches nothing.

qemu shows files below the userland in place of this machine's (`-L`), which makes a board of it: /proc/cpuinfo and
/sys/devices/system/cpu decide which kernels XNNPACK takes. Never `-cpu max`: QEMU 7.2 then computes wrong results.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parents[1]
WORK = CHECKOUT / "build" / "arm64"
RELEASES = ("bookworm", "trixie")
_CORES = 4


class UnavailableError(Exception):
    """This machine cannot have the userlands: no root, no apt, no mirror. That says nothing of onsight."""


@dataclass(frozen=True)
class Board:
    """What /proc/cpuinfo of a board says: Linux, arch/arm64/include/asm/cputype.h and /proc/cpuinfo's Features."""

    model: str
    part: str
    features: str
    khz: int


BOARDS = {
    "cortex-a72": Board("Raspberry Pi 4 Model B Rev 1.4", "0xd08", "fp asimd evtstrm crc32 cpuid", 1_800_000),
    "cortex-a76": Board(
        "Raspberry Pi 5 Model B Rev 1.0",
        "0xd0b",
        "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp",
        2_400_000,
    ),
}


@dataclass(frozen=True)
class Guest:
    """A userland with onsight in it, and a processor."""

    release: str
    cpu: str
    extra: str = ""
    work: Path = WORK

    @property
    def root(self) -> Path:
        """Where the userland lies."""
        return self.work / f"root-{self.release}"

    @property
    def site(self) -> Path:
        """Where the wheel and its dependencies are installed."""
        return self.work / f"site-{self.release}{'-' * bool(self.extra)}{self.extra}"

    @property
    def python(self) -> Path:
        """The userland's interpreter."""
        return next(iter(sorted((self.root / "usr/bin").glob("python3.[0-9]*"))))

    def prepare(self, wheel: Path) -> None:
        """Unpack the userland, and install the wheel with what it requires where that is not there yet.

        pip runs emulated: a native `pip --platform` would judge the requirements' markers by this machine.
        """
        install_qemu()
        if subprocess.run([HERE / "userland.sh", self.release, self.work]).returncode:
            raise UnavailableError(f"no arm64 userland of {self.release} could be unpacked from this machine's mirrors")
        stamp, key = self.site / ".requirements", requirements_digest(wheel)
        if not (stamp.is_file() and stamp.read_text() == key):
            shutil.rmtree(self.site, ignore_errors=True)
            what = f"{wheel}[{self.extra}]" if self.extra else str(wheel)
            self._pip("install", "--only-binary=:all:", "--target", str(self.site), what)
            stamp.write_text(key)
        else:
            for old in (*self.site.glob("onsight*"), self.site / "bin"):
                shutil.rmtree(old, ignore_errors=True)
            pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q", "install"]  # no markers to judge
            subprocess.run([*pip, "--no-deps", "--no-compile", "--target", self.site, wheel], check=True)

    def run(self, *arguments: str, count: bool = False, **more: object) -> subprocess.CompletedProcess[str]:
        """Run the guest's Python; `count` lets the plugin report instructions. Keywords go to subprocess.run."""
        self.be_a_board()
        environment = {
            "PYTHONPATH": str(self.site),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONSAFEPATH": "1",  # nothing from the working folder
            "ONSIGHT_CACHE": str(self.work / "cache"),
            "PATH": os.environ.get("PATH", ""),
            "HOME": str(self.work),
            "LANG": "C.UTF-8",
        }
        return subprocess.run(  # type: ignore[call-overload, no-any-return]
            [*self._qemu(count), str(self.python), *arguments], env=environment, text=True, **more
        )

    def be_a_board(self) -> None:
        """Write what the board's kernel would say into the userland."""
        board = BOARDS[self.cpu]
        core = (
            f"BogoMIPS\t: 108.00\nFeatures\t: {board.features}\nCPU implementer\t: 0x41\nCPU architecture: 8\n"
            f"CPU variant\t: 0x0\nCPU part\t: {board.part}\nCPU revision\t: 3\n\n"
        )
        cores = range(min(_CORES, os.cpu_count() or 1))  # a thread may be told to stay on each of them
        files = {
            "proc/cpuinfo": "".join(f"processor\t: {n}\n{core}" for n in cores) + f"Model\t\t: {board.model}\n",
            "proc/device-tree/model": board.model + "\0",
        }
        everyone = f"0-{len(cores) - 1}\n"
        system = "sys/devices/system/cpu"
        files |= {f"{system}/{name}": everyone for name in ("possible", "present", "online")}
        files[f"{system}/kernel_max"] = "255\n"
        for n in cores:
            one = f"{system}/cpu{n}"
            files |= {
                f"{one}/cpufreq/cpuinfo_max_freq": f"{board.khz}\n",
                f"{one}/cpufreq/cpuinfo_min_freq": "600000\n",
                f"{one}/cpufreq/scaling_governor": "ondemand\n",
                f"{one}/topology/physical_package_id": "0\n",
                f"{one}/topology/core_id": f"{n}\n",
                f"{one}/topology/thread_siblings_list": f"{n}\n",
            }
            for name in ("cluster_cpus_list", "core_siblings_list", "package_cpus_list"):
                files[f"{one}/topology/{name}"] = everyone
            for index, level, size, kind, shared in (
                (0, 1, "32K", "Data", f"{n}\n"),
                (1, 1, "48K", "Instruction", f"{n}\n"),
                (2, 2, "1024K", "Unified", everyone),
            ):
                cache = f"{one}/cache/index{index}"
                files |= {
                    f"{cache}/level": f"{level}\n",
                    f"{cache}/size": f"{size}\n",
                    f"{cache}/type": f"{kind}\n",
                    f"{cache}/shared_cpu_list": shared,
                    f"{cache}/coherency_line_size": "64\n",
                }
        for name, text in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def _qemu(self, count: bool) -> list[str]:
        program = ["qemu-aarch64-static"]
        if count:
            program = ["qemu-aarch64", "-plugin", str(_plugin(self.work))]
        return [*program, "-cpu", self.cpu, "-L", str(self.root)]

    def _pip(self, *arguments: str) -> None:
        own = next(iter((self.root / "usr/share/python-wheels").glob("pip-*.whl")))
        cache = self.work / "pip-cache"
        command = [*self._qemu(False), str(self.python), "-m", "pip", "-q", "--cache-dir", str(cache), *arguments]
        self.be_a_board()
        done = subprocess.run(
            [*command, "--no-compile", "--disable-pip-version-check", "--root-user-action=ignore"],
            env={**os.environ, "PYTHONPATH": str(own), "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
        )
        if done.returncode:
            sys.exit(f"arm64: pip failed in {self.release}:\n{(done.stdout + done.stderr)[-2000:]}")


def install_qemu(program: str = "qemu-aarch64-static", package: str = "qemu-user-static") -> None:
    """Install QEMU where it is not there; that alone needs root."""
    if shutil.which(program) is None:
        quiet = {
            "check": True,
            "stdout": subprocess.DEVNULL,
            "env": {**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
        }
        try:
            subprocess.run(["apt-get", "update", "-qq"], **quiet)
            subprocess.run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", package], **quiet)
        except (OSError, subprocess.CalledProcessError) as error:
            raise UnavailableError(f"{package} cannot be installed here: {error}") from error


def build_wheel(work: Path = WORK) -> Path:
    """Build onsight's wheel from this checkout."""
    folder = work / "dist"
    shutil.rmtree(folder, ignore_errors=True)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
    subprocess.run([*pip, "wheel", "--no-deps", "-w", str(folder), str(CHECKOUT)], check=True)
    return next(iter(folder.glob("onsight-*.whl")))


def requirements_digest(wheel: Path) -> str:
    """A digest of what the wheel requires: while it stays, the dependencies that are installed stay."""
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        lines = archive.read(name).decode().splitlines()
    return hashlib.sha256("\n".join(line for line in lines if line.startswith("Requires")).encode()).hexdigest()


def _plugin(work: Path) -> Path:
    built = work / "libicount.so"
    source = HERE / "icount.c"
    if not built.exists() or built.stat().st_mtime < source.stat().st_mtime:
        subprocess.run(["gcc", "-O2", "-shared", "-fPIC", "-o", str(built), str(source)], check=True)
    install_qemu("qemu-aarch64", "qemu-user")  # the static one takes no plugins
    return built


def main() -> None:
    """The command line of this file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--release", choices=RELEASES, default=RELEASES[0])
    parser.add_argument("--cpu", choices=tuple(BOARDS), default="cortex-a72")
    parser.add_argument("--extra", default="", help="install the wheel with this extra")
    parser.add_argument("--count", action="store_true", help="count the guest's instructions (icount.c)")
    parser.add_argument("--as-is", action="store_true", help="run what was installed last; build and install nothing")
    parser.add_argument("arguments", nargs="+", help="for the userland's Python")
    options = parser.parse_args()
    guest = Guest(options.release, options.cpu, options.extra)
    if not options.as_is:
        guest.prepare(build_wheel())
    sys.exit(guest.run(*options.arguments, count=options.count).returncode)


if __name__ == "__main__":
    main()
