"""What a web server with 50 clients, of which 10 never read, costs the age of a frame.

Runs of a synthetic camera at 30 fps take turns, in an order drawn anew each round: without a server, with one that
nobody watches, with one that has clients. The age is that of a frame when its result leaves the loop. Half of the
clients watch the stream, half listen to events; a fifth of each asks and never reads. They are a process of their own
on this very machine, which has to decode nothing but still costs it time: a client elsewhere costs less. "Unchanged"
means that the p90 of the age rises by no more than a tenth of a frame period.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from onsight_benchmarks.conditions import Watch
from onsight_benchmarks.frame_age import Ages
from onsight_benchmarks.model_facts import describe_model
from onsight_benchmarks.report import Report, Target, arguments, finish, run_command
from onsight_benchmarks.stats import paired_ratio, percentile
from onsight_edge.classifier import Classifier
from onsight_edge.control import Control
from onsight_edge.errors import BenchmarkError, UsageError
from onsight_edge.judge import Settings, make_judge
from onsight_edge.live import run_live
from onsight_edge.sources import open_source

ROUNDS = 12
SECONDS = 6.0
SETTLE_S = 2.0  # at the start of each run: clients connect, buffers of those that never read fill up
FPS = 30.0
CLIENTS = 50
DEAF_SHARE = 0.2
MOST_RISE = 0.1  # of a frame period
LEAST_OUT_IN = 0.99
NO_SERVER, NOBODY, CLIENTS_NAME = "no server", "nobody watches", "clients"
KINDS = (NO_SERVER, NOBODY, CLIENTS_NAME)


@dataclass(frozen=True, slots=True)
class Served:
    """What one run was like.

    Attributes:
        ages_ms: of every frame whose result came after the start had settled.
        captured, classified: frames in the whole run.
        clients: what the clients say, see web_clients; None without.
    """

    ages_ms: list[float]
    captured: int
    classified: int
    clients: dict[str, Any] | None


def measure(
    model: str | Path = "default",
    *,
    variant: str | None = None,
    rounds: int = ROUNDS,
    seconds: float = SECONDS,
    clients: int = CLIENTS,
    seed: int = 0,
) -> Report:
    """Measure what the server and its clients cost.

    Args:
        model, variant: any model; `default` is the shipped one.
        rounds: of three runs each.
        seconds: of each run that count.
        clients: half of them watch, half listen, a fifth of each never reads.
        seed: of the order.

    Raises:
        UsageError: a number makes no sense. BenchmarkError: the clients failed, or a run gave no result.
        MissingExtraError: the extra `web` is not installed.
    """
    if rounds < 2 or seconds <= 0 or clients < 1:
        raise UsageError("at least 2 rounds, more than 0 seconds and 1 client are needed")
    rng = random.Random(seed)
    deaf = round(clients * DEAF_SHARE)
    split = ((clients - deaf + 1) // 2, (clients - deaf) // 2, (deaf + 1) // 2, deaf // 2)
    runs: dict[str, list[Served]] = {kind: [] for kind in KINDS}
    with Classifier.open(model, variant=variant) as classifier:
        file = classifier.model
        assert file is not None  # Classifier.open gave it
        watch = Watch()
        for _ in range(rounds):
            for kind in rng.sample(KINDS, len(KINDS)):
                runs[kind].append(_run(classifier, kind, seconds, split))
    results = _results(runs, seed)
    period_ms = 1000 / FPS
    return finish(
        "web_load",
        watch,
        method={
            "model": describe_model(file),
            "source": f"synthetic://?fps={FPS:g}&size=640x480",
            "rounds": rounds,
            "seconds": seconds,
            "settle_s": SETTLE_S,
            "clients": dict(zip(("watching", "listening", "deaf_watching", "deaf_listening"), split, strict=True)),
            "seed": seed,
            "order": "runs in turns, the order of each round drawn anew; clients are a process on the same machine",
        },
        results=results,
        targets=(
            Target(
                f"p90 of the frame age with {clients} clients minus that with nobody watching, ms",
                results["p90_rise_ms"][CLIENTS_NAME],
                round(MOST_RISE * period_ms, 3),
            ),
            Target(
                "p90 of the frame age with a server that nobody watches minus that without one, ms",
                results["p90_rise_ms"][NOBODY],
                round(MOST_RISE * period_ms, 3),
            ),
            Target(
                f"results over frames with {clients} clients",
                results["out_in"][CLIENTS_NAME],
                LEAST_OUT_IN,
                at_most=False,
            ),
        ),
        objections=() if rounds >= ROUNDS else (f"{rounds} rounds were made; {ROUNDS} are needed",),
        children=True,
    )


def _results(runs: dict[str, list[Served]], seed: int) -> dict[str, Any]:
    """Percentiles of each kind, how they compare round by round, and what the clients got."""
    ages = {kind: [np.sort(one.ages_ms) for one in made] for kind, made in runs.items()}
    quantiles = {
        kind: {f"p{percent}": [percentile(one, percent) for one in made] for percent in (50, 90, 99)}
        for kind, made in ages.items()
    }
    against = {NOBODY: NO_SERVER, CLIENTS_NAME: NOBODY}
    told = [one.clients for one in runs[CLIENTS_NAME] if one.clients is not None]
    return {
        "age_ms": {
            kind: {name: round(float(np.median(values)), 3) for name, values in made.items()}
            for kind, made in quantiles.items()
        },
        "ratio": {
            kind: {name: paired_ratio(made, quantiles[other][name], seed) for name, made in quantiles[kind].items()}
            for kind, other in against.items()
        },
        "p90_rise_ms": {
            kind: round(float(np.median(np.subtract(quantiles[kind]["p90"], quantiles[other]["p90"]))), 3)
            for kind, other in against.items()
        },
        "out_in": {
            kind: round(sum(one.classified for one in made) / sum(one.captured for one in made), 4)
            for kind, made in runs.items()
        },
        "clients": {
            "pictures_each": round(float(np.median([count for one in told for count in one["pictures"]])), 1),
            "results_each": round(float(np.median([count for one in told for count in one["results"]])), 1),
            "cut_off": sum(one["cut_off"] for one in told),
            "sent_age_ms": round(float(np.median([one["sent_age_ms"] for one in told])), 2),
        },
        "values_ms": {kind: [[round(float(age), 3) for age in one] for one in made] for kind, made in ages.items()},
    }


def _run(classifier: Classifier, kind: str, seconds: float, split: tuple[int, int, int, int]) -> Served:
    from onsight_edge.web.address import Address
    from onsight_edge.web.sink import WebOptions, WebSink

    sink = Ages("ages", 0.0, backlog=64)
    judge = make_judge(classifier, Settings(classifier.spec.threshold, smooth=0.25), sentinel=False)
    control = Control(judge)
    stop = threading.Event()
    web = None if kind == NO_SERVER else WebSink(WebOptions(Address("127.0.0.1", 0)), control)
    source = open_source(f"synthetic://?fps={FPS:g}&size=640x480")
    done: list[Any] = []

    def live() -> None:
        done.append(
            run_live(
                source,
                judge.classifier,
                [sink] if web is None else [sink, web],
                policy="latest",
                stop=stop,
                decider=judge.decider,
                control=control,
            )
        )

    thread = threading.Thread(target=live, name="live")
    thread.start()
    child = None
    try:
        until = time.monotonic() + 30
        while not sink.published:
            if time.monotonic() > until or not thread.is_alive():
                raise BenchmarkError("the run gave no result")
            time.sleep(0.01)
        if kind == CLIENTS_NAME and web is not None:
            child = _clients(int(web.url.rstrip("/").rpartition(":")[2]), split)
        time.sleep(SETTLE_S)
        settled = len(sink.published)
        time.sleep(seconds)
        ages = [age for _, age in sink.published[settled:]]
    finally:
        told = _told(child)
        stop.set()
        thread.join(60)
    if not ages or not done:
        raise BenchmarkError("the run gave no result")
    return Served(ages, done[0].captured, done[0].classified, told)


def _clients(port: int, split: tuple[int, int, int, int]) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "onsight_benchmarks.web_clients", str(port), *map(str, split)]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    if child.stdout.readline().strip() != "connected":
        child.kill()
        raise BenchmarkError("the clients did not connect")
    return child


def _told(child: subprocess.Popen[str] | None) -> dict[str, Any] | None:
    if child is None:
        return None
    try:
        out, _ = child.communicate("", timeout=30)
        found: dict[str, Any] = json.loads(out)
    except (subprocess.TimeoutExpired, ValueError) as error:
        child.kill()
        raise BenchmarkError("the clients gave no answer") from error
    return found


def _command() -> tuple[Report, argparse.Namespace, list[str]]:
    parser = arguments(__doc__)
    parser.add_argument("model", nargs="?", default="default", help="a model file or a bundle; default: the shipped")
    parser.add_argument("--variant", help="which of a bundle's variants")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="of three runs each (%(default)s)")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of each run that count (%(default)s)")
    parser.add_argument("--clients", type=int, default=CLIENTS, help="a fifth of them never reads (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the order")
    options = parser.parse_args()
    report = measure(
        options.model,
        variant=options.variant,
        rounds=options.rounds,
        seconds=options.seconds,
        clients=options.clients,
        seed=options.seed,
    )
    lines = [
        f"{kind}: age ms p50 {ages['p50']}, p90 {ages['p90']}, p99 {ages['p99']}; "
        f"results over frames {report.results['out_in'][kind]}"
        for kind, ages in report.results["age_ms"].items()
    ]
    return report, options, lines


if __name__ == "__main__":
    run_command(_command)
