"""TFLite Model Metadata of any file, read by the public schema 1.5.0.

https://github.com/google-ai-edge/mediapipe/blob/master/mediapipe/tasks/metadata/metadata_schema.fbs
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from onsight_export.inspect.facts import StoredFile
from onsight_export.inspect.flatbuffer import Table

IDENTIFIER = b"M001"
_AXIS_LABELS = 2  # AssociatedFileType
_COLOURS = {1: "RGB", 2: "grey"}
_MOST_LABEL_BYTES = 4 << 20
_MOST_FILES = 1000


@dataclass(frozen=True, slots=True)
class Described:
    """What a file's metadata say.

    Attributes:
        about: ordered pairs: name, version, author, licence, description.
        inputs, outputs: one text a tensor, in the order of the metadata: (name, what is said of it).
        label_files: of the outputs, the first one first.
    """

    about: tuple[tuple[str, str], ...]
    inputs: tuple[tuple[str, str], ...]
    outputs: tuple[tuple[str, str], ...]
    label_files: tuple[str, ...]


def read_metadata(data: bytes) -> Described:
    """Read the flatbuffer that a model keeps in its buffer TFLITE_METADATA.

    Raises:
        ValueError: it is none, or damaged.
    """
    if data[4:8] != IDENTIFIER:
        raise ValueError(f"its identifier is {data[4:8]!r}, expected {IDENTIFIER!r}")
    model = Table.root(data)
    slots = (("name", 0), ("version", 2), ("author", 4), ("licence", 5), ("description", 1))
    about = tuple((key, text) for key, slot in slots if (text := model.text(slot)))
    graphs = model.tables(3)
    inputs = graphs[0].tables(2) if graphs else ()
    outputs = graphs[0].tables(3) if graphs else ()
    labels = [file.text(0) for tensor in outputs for file in tensor.tables(6) if file.number(2, "b") == _AXIS_LABELS]
    return Described(about, tuple(map(_tensor, inputs)), tuple(map(_tensor, outputs)), tuple(labels))


def read_files(data: bytes, label_files: Sequence[str]) -> tuple[tuple[StoredFile, ...], tuple[str, ...] | None, str]:
    """The zip archive behind a .tflite: its files, the classes, and which file these stand in.

    Args:
        data: the whole model file.
        label_files: which ones the metadata call the labels of an output; without any, a single .txt with a name
            like labels.txt is taken for them.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            files = tuple(StoredFile(info.filename, info.file_size) for info in archive.infolist()[:_MOST_FILES])
            names = [file.name for file in files]
            wanted = [name for name in label_files if name in names]
            wanted = wanted or [name for name in names if "label" in name.lower() and name.lower().endswith(".txt")]
            if not wanted or archive.getinfo(wanted[0]).file_size > _MOST_LABEL_BYTES:
                return files, None, ""
            lines = archive.read(wanted[0]).decode("utf-8", "replace").splitlines()
            return files, tuple(lines) or None, wanted[0]
    except (zipfile.BadZipFile, zlib.error, KeyError, RuntimeError, OSError, EOFError, ValueError, NotImplementedError):
        return (), None, ""


def _tensor(table: Table) -> tuple[str, str]:
    parts = [table.text(1)]
    content = table.table(3)
    if content is not None and content.number(0, "B") == 2 and (image := content.table(1)) is not None:
        colour = _COLOURS.get(int(image.number(0, "b")), "unnamed colours")
        size = image.table(1)
        parts.append(f"{size.number(0, 'I')}x{size.number(1, 'I')} {colour}" if size is not None else colour)
    for unit in table.tables(4):
        kind, options = unit.number(0, "B"), unit.table(1)
        if options is not None and kind == 1:
            mean, std = options.floats(0), options.floats(1)
            plain = set(mean) == {0.0} and set(std) == {1.0}
            parts.append("raw pixels" if plain else f"feed (pixel - {_numbers(mean)}) / {_numbers(std)}")
        elif options is not None and kind == 2:
            parts.append("scores are calibrated by a file")
        elif options is not None and kind == 3:
            parts.append(f"answers below {options.number(0, 'f'):.4g} do not count")
    if (stats := table.table(5)) is not None:
        parts.append(f"values {_numbers(stats.floats(1))}..{_numbers(stats.floats(0))}")
    return table.text(0), "; ".join(part for part in parts if part)


def _numbers(values: Sequence[float]) -> str:
    texts = [f"{value:.6g}" for value in values]
    return texts[0] if len(set(texts)) == 1 else f"[{', '.join(texts)}]"
