"""`onsight compare`: latency records beside each other, on the screen, as JSON and as one HTML page."""

from __future__ import annotations

from pathlib import Path

import click

from onsight.main import print_json
from onsight.options import SEED, json_option
from onsight.outputs import check_outputs


@click.command("compare")
@click.argument("records", nargs=-1, required=True, metavar="RECORD...", type=click.Path(path_type=Path))
@click.option(
    "--to",
    metavar="LABEL",
    help="Measure all by this one, such as tflite-int8/litert/1 or 'B tflite-int8/litert/1'; default: the "
    "fastest of the first record that times single frames.",
)
@click.option("--only", multiple=True, metavar="PATTERN", help="Labels like 'tflite-int8/*' only; may be repeated.")
@click.option("--different-models", is_flag=True, help="Compare records of different weights, too.")
@click.option(
    "--different-preprocessing", is_flag=True, help="Compare records that bring frames to the network differently, too."
)
@click.option("--seed", type=SEED, default=0, show_default=True, help="Of the intervals' bootstrap.")
@click.option(
    "--html", type=click.Path(path_type=Path, dir_okay=False), help="Write everything as one self-contained page."
)
@json_option
def command(
    records: tuple[Path, ...],
    to: str | None,
    only: tuple[str, ...],
    different_models: bool,
    different_preprocessing: bool,
    seed: int,
    html: Path | None,
    as_json: bool,
) -> None:
    """Compare latency records: edge against GPU, board against board, runtime against runtime.

    RECORD is a file that `onsight bench --out` wrote. Ratios come with intervals; a single record compares its own
    measurements. Records of other weights or preprocessing are refused.
    """
    from onsight_benchmarks.comparison.comparison import compare_records
    from onsight_benchmarks.comparison.document import comparison_json
    from onsight_benchmarks.record_file import check_writable

    if html is not None:
        from onsight_benchmarks.comparison.page import render
        from onsight_benchmarks.html_page import require_jinja

        require_jinja()
        check_outputs({"--html": html}, list(records))
        check_writable(html)
    comparison = compare_records(
        records,
        to=to,
        only=only,
        different_models=different_models,
        different_preprocessing=different_preprocessing,
        seed=seed,
    )
    if html is not None:
        from onsight_edge.files import write_text

        write_text(html, render(comparison))
    if as_json:
        print_json(comparison_json(comparison))
    from onsight.compare_screen import show

    show(comparison, html, to_stderr=as_json)
