"""From a call of `onsight run` to what judges its frames, at the start and again while it runs."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING

import click

from onsight.deciding import Deciding, make_judge
from onsight.region import Looking
from onsight.tuned import open_wanted

if TYPE_CHECKING:
    from onsight_edge.classifier import Classifier
    from onsight_edge.judge import Judge


def open_judge(call: click.Context, frame_wh: tuple[int, int] | None, *, quiet: bool) -> Judge:
    """Open the model that a call names, check it, and set it up as the call's flags say.

    Args:
        call: of `onsight run`; that of the command line, or a later one with the configuration read anew.
        frame_wh: width and height of the frames, None where nobody knows.
        quiet: do not say on stderr that a device profile is used.

    Raises:
        UsageError: the region does not fit the frames, or a number makes no sense.
        OnsightError: as `Classifier.open`, or the golden samples are answered otherwise than at export.
    """
    from onsight_edge.sources import is_continuous

    given = call.params
    with call.scope(cleanup=False):
        names = ("variant", "backend", "threads", "spec", "profile", "no_profile")
        opened = open_wanted(given["model"], **{name: given[name] for name in names}, quiet=quiet)
    try:
        _self_test(opened)
        wanted = Looking(given["roi"], given["rotate"], given["flip"]).applied(opened.spec, frame_wh)
        if given["threshold"] is not None:
            wanted = replace(wanted, threshold=given["threshold"])
        classifier = opened if wanted is opened.spec else opened.with_spec(wanted)
        deciding = Deciding(**{field.name: given[field.name] for field in fields(Deciding)})
        return make_judge(classifier, deciding, continuous=is_continuous(given["uri"]))
    except BaseException:
        opened.close()
        raise


def _self_test(classifier: Classifier) -> None:
    """Replay the bundle's golden samples, if it has any: what this device computes must be what was exported."""
    if classifier.model is not None and classifier.model.golden is not None:
        from onsight_edge.golden import FILE, load_golden, replay

        bundle = classifier.model.bundle
        replay(classifier, load_golden(classifier.model.golden, str(bundle / FILE) if bundle else FILE))
