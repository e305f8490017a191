"""Runs in an environment that holds MediaPipe and no onsight: python mediapipe_answers.py PICTURES.npz MODEL...

Prints one JSON document: for each model its best class name of every picture, and what MediaPipe's own reader of the
public schema finds in its metadata.
"""

import io
import json
import pathlib
import sys
import zipfile

import mediapipe as mp
import numpy as np
from mediapipe.tasks.metadata import metadata_schema_py_generated as metadata_schema
from mediapipe.tasks.metadata import schema_py_generated as model_schema


def best_names(model, pictures):
    options = mp.tasks.vision.ImageClassifierOptions(
        base_options=mp.tasks.BaseOptions(model_asset_path=model),
        running_mode=mp.tasks.vision.RunningMode.IMAGE,
        max_results=1,
    )
    names = []
    with mp.tasks.vision.ImageClassifier.create_from_options(options) as classifier:
        for picture in pictures:
            answer = classifier.classify(mp.Image(image_format=mp.ImageFormat.SRGB, data=np.ascontiguousarray(picture)))
            names.append(answer.classifications[0].categories[0].category_name)
    return names


def described(model):
    data = pathlib.Path(model).read_bytes()
    graph = model_schema.Model.GetRootAsModel(data, 0)
    entries = [graph.Metadata(i) for i in range(graph.MetadataLength())]
    (buffer,) = [entry.Buffer() for entry in entries if entry.Name() == b"TFLITE_METADATA"]
    raw = graph.Buffers(buffer).DataAsNumpy().tobytes()
    assert metadata_schema.ModelMetadata.ModelMetadataBufferHasIdentifier(raw, 0)
    whole = metadata_schema.ModelMetadataT.InitFromPackedBuf(raw, 0)
    (image,), (scores,) = whole.subgraphMetadata[0].inputTensorMetadata, whole.subgraphMetadata[0].outputTensorMetadata
    (unit,), (labels,) = image.processUnits, scores.associatedFiles
    archive = zipfile.ZipFile(io.BytesIO(data))
    return {
        "name": whole.name.decode(),
        "description": whole.description.decode(),
        "version": whole.version.decode(),
        "min_parser_version": whole.minParserVersion.decode(),
        "input": type(image.content.contentProperties).__name__,
        "colour": image.content.contentProperties.colorSpace,
        "size_wh": [
            image.content.contentProperties.defaultSize.width,
            image.content.contentProperties.defaultSize.height,
        ],
        "unit": type(unit.options).__name__,
        "mean": list(map(float, unit.options.mean)),
        "std": list(map(float, unit.options.std)),
        "input_range": [float(image.stats.min[0]), float(image.stats.max[0])],
        "output": type(scores.content.contentProperties).__name__,
        "output_range": [float(scores.stats.min[0]), float(scores.stats.max[0])],
        "labels_are": labels.type,
        "labels": archive.read(labels.name.decode()).decode().splitlines(),
    }


if __name__ == "__main__":
    shown = np.load(sys.argv[1])["pictures"]
    json.dump({model: {"names": best_names(model, shown), **described(model)} for model in sys.argv[2:]}, sys.stdout)
