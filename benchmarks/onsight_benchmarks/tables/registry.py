"""Which kinds of records there are tables for: whatever the files beside this one declare."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from onsight_benchmarks import tables
from onsight_benchmarks.tables.table import Section, Table


@cache
def all_tables() -> dict[str, Table]:
    """Kind -> its tables."""
    return {kind: table for module in _modules() for kind, table in getattr(module, "TABLES", {}).items()}


@cache
def all_sections() -> dict[str, Section]:
    """Name -> the section of benchmarks/README.md."""
    return {name: section for module in _modules() for name, section in getattr(module, "SECTIONS", {}).items()}


def _modules() -> list[object]:
    names = sorted(one.name for one in pkgutil.iter_modules(tables.__path__) if not one.name.startswith("__"))
    return [importlib.import_module(f"{tables.__name__}.{name}") for name in names]
