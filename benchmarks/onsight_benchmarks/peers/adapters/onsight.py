"""onsight itself: `Classifier.classify`, as a live run calls it, with any of its backends (`option`)."""

from __future__ import annotations

from typing import Any

from onsight_benchmarks.peers.job import Job, Opened


def open_subject(job: Job) -> Opened:
    """Open a bundle's variant."""
    from onsight_edge.classifier import Classifier

    classifier = Classifier.open(
        job.model, variant=job.variant or None, backend=job.option, threads=job.threads, trusted=True
    )

    def classify(frame: Any) -> int:
        return classifier.classify(frame).index

    return Opened(classify, classifier.backend.version, classifier.backend.detail)
