"""MediaPipe's ImageClassifier task on the same .tflite file, whose metadata it reads.

Source: https://ai.google.dev/edge/mediapipe/solutions/vision/image_classifier/python. Its camera example converts the
whole frame to RGB; the resize is MediaPipe's own. It has no option for threads.
"""

from __future__ import annotations

from typing import Any

import cv2

from onsight_benchmarks.peers.job import Job, Opened


def open_subject(job: Job) -> Opened:
    """Open a .tflite file with metadata."""
    import mediapipe

    vision, tasks = mediapipe.tasks.vision, mediapipe.tasks
    options = vision.ImageClassifierOptions(
        base_options=tasks.BaseOptions(model_asset_path=job.model),
        running_mode=vision.RunningMode.IMAGE,
        max_results=1,
    )
    classifier = vision.ImageClassifier.create_from_options(options)

    def classify(frame: Any) -> int:
        pixels = cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
        answer = classifier.classify(mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=pixels))
        return int(answer.classifications[0].categories[0].index)

    return Opened(classify, str(mediapipe.__version__))
