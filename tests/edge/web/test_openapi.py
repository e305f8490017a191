"""The server against its own OpenAPI document: schemathesis makes up requests, valid and not, and judges answers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable

from onsight_edge.classifier import Classifier
from onsight_edge.judge import Settings, make_judge

schemathesis = pytest.importorskip("schemathesis", reason="needs Python 3.11")

from schemathesis.specs.openapi.checks import positive_data_acceptance  # noqa: E402

ENDLESS = ("/stream.mjpg", "/api/events")
BEYOND_A_SCHEMA = ("/api/image", "/api/collect")  # bytes that are a picture, a name that may be a folder's


@pytest.fixture(scope="module", params=["open", "locked"])
def served(request: pytest.FixtureRequest, serve: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """One without and one with a token, which is not sent: what is refused has the shape of the document too."""
    token = None if request.param == "open" else "a-token-of-more-than-twenty-two-letters"
    with Classifier.open("default") as classifier:  # one with a file: a second runtime is opened of it
        judge = make_judge(classifier, Settings(0.0, smooth=0.25), sentinel=False)
        with serve(judge=judge, folder=tmp_path_factory.mktemp("kept"), token=token, savable=True) as made:
            yield made


def check(served: Any, examples: int) -> int:
    """Ask every route that ends, with what fits the document and what does not; how many requests were judged."""
    schema = schemathesis.openapi.from_dict(served.ask("GET", "/openapi.json").json)
    schema.config.update(base_url=f"http://127.0.0.1:{served.port}")
    operations = [found.ok() for found in schema.get_all_operations()]
    return sum(
        ask(operation, mode, examples)
        for operation in operations
        if operation.path not in ENDLESS
        for mode in schemathesis.GenerationMode
    )


def ask(operation: Any, mode: Any, examples: int) -> int:
    excluded = [positive_data_acceptance] if operation.path in BEYOND_A_SCHEMA else []
    asked = 0

    @settings(
        max_examples=examples,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def judge(case: Any) -> None:
        nonlocal asked
        asked += 1
        case.call_and_validate(timeout=20, excluded_checks=excluded)

    with suppress(Unsatisfiable):  # a route that takes nothing cannot be asked wrongly
        judge()
    return asked


def test_answers_are_what_the_document_says(served: Any) -> None:
    assert check(served, 3) > 40


@pytest.mark.slow
def test_answers_are_what_the_document_says_for_many_requests(served: Any) -> None:
    check(served, 200)


def test_the_document_has_every_route_and_no_other(plain: Any) -> None:
    from onsight_edge.web.openapi import document

    paths = document()["paths"]
    app = plain.web._server._server.config.app._app
    routes = {route.path: route.methods - {"HEAD"} for route in app.routes}
    described = {path: {method.upper() for method in methods} for path, methods in paths.items()}
    for path in ("/", "/static/{name}", "/openapi.json"):  # the page, and the document itself
        del routes[path]
    assert routes == described
