"""What a reader of a comparison must know before believing it."""

from __future__ import annotations

from collections.abc import Sequence

from onsight_benchmarks.comparison.subjects import Entry, begins_with_frame


def cautions_on(entries: Sequence[Entry]) -> list[str]:
    """Why figures must not be believed, a sentence each: dry runs, and records that do not count."""
    who = {entry.letter: f"{entry.letter} ({entry.name}) is " if len(entries) > 1 else "" for entry in entries}
    found = [
        f"{who[entry.letter]}a dry run on {entry.record.device.cpu or 'a processor'}: its figures are no "
        "GPU's and say nothing of one"
        for entry in entries
        if entry.dry_run
    ]
    return found + [
        f"{who[entry.letter]}not valid: {reason}" for entry in entries for reason in entry.record.invalid_because
    ]


def remarks_on(entries: Sequence[Entry]) -> list[str]:
    """What else differs between records, a sentence each."""
    found = []
    pictures = {entry.record.method.picture.sha256 for entry in entries}
    sizes = {entry.record.method.picture.size_wh for entry in entries}
    late = [entry.letter for entry in entries if not begins_with_frame(entry)]
    network_alone = 0 < len(late) < len(entries)
    if len(sizes) > 1 and not network_alone:
        told = ", ".join(f"{e.letter} {'x'.join(map(str, e.record.method.picture.size_wh))}" for e in entries)
        found.append(f"frames of different sizes were measured ({told}): preprocessing takes as long as they are large")
    elif len(pictures) > 1 and not network_alone:
        found.append("different pictures were measured, which networks do not mind and caches hardly")
    if len(entries) > 1:
        found.append(
            "ratios between records are between sessions: their intervals say how well each session knows its own "
            "figure, not what changed from one to the other"
        )
        if network_alone:
            found.append(
                f"{' and '.join(late)}'s calls begin with the network's input on the host, not with a camera's frame: "
                "all times and pictures a second are of the network alone, without pre- and postprocessing"
            )
        commits = {(e.record.onsight.version, e.record.onsight.commit) for e in entries}
        if len(commits) > 1:
            told = ", ".join(f"{e.letter} {_version(e)}" for e in entries)
            found.append(f"different onsights measured them ({told})")
    return found


def _version(entry: Entry) -> str:
    made = entry.record.onsight
    return made.version + (f" ({made.commit})" if made.commit else "")
