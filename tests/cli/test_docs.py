"""Every verb and every flag of the command stands in the docs."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from onsight.group import cli
from onsight.main import VERBS

ROOT = Path(__file__).parents[2]
CLI_DOCS = ROOT / "docs" / "cli"


def command(verb: str) -> click.Command:
    found = cli.get_command(click.Context(cli), verb)
    assert found is not None
    return found


@pytest.mark.parametrize("verb", VERBS)
def test_every_flag_is_documented(verb: str) -> None:
    text = (CLI_DOCS / f"{verb}.md").read_text(encoding="utf-8")
    for parameter in command(verb).params:
        if isinstance(parameter, click.Option):
            for flag in (*parameter.opts, *parameter.secondary_opts):
                assert re.search(rf"(?<![\w-]){re.escape(flag)}(?![\w-])", text), f"{verb} {flag} is not documented"
            assert parameter.help, f"{verb} {parameter.name} has no help text"


@pytest.mark.parametrize("verb", VERBS)
def test_no_documented_flag_is_gone(verb: str) -> None:
    text = (CLI_DOCS / f"{verb}.md").read_text(encoding="utf-8")
    known = {flag for p in command(verb).params if isinstance(p, click.Option) for flag in (*p.opts, *p.secondary_opts)}
    rows = re.findall(r"^\| `(--[\w-]+)", text, flags=re.MULTILINE)
    assert set(rows) <= known | {"--help"}


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_is_in_the_index_and_the_readme_links_it(verb: str) -> None:
    assert f"(cli/{verb}.md)" in (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    assert "docs/cli.md" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_verb_speaks_json() -> None:
    for verb in VERBS:
        assert any("--json" in p.opts for p in command(verb).params), f"{verb} has no --json"


def test_local_links_of_the_docs_lead_somewhere() -> None:
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.relative_to(ROOT)} links {target}, which is not there"


def test_docs_name_no_machine_path() -> None:
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        assert "/root/" not in page.read_text(encoding="utf-8"), page
