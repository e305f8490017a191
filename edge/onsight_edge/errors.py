"""Everything onsight raises on purpose.

    OnsightError
    ├── UsageError               the call itself makes no sense
    ├── DataError                pictures, class folders, .npz files
    ├── ModelError               a model file, bundle or run
    │   ├── IntegrityError       its bytes are not those that were published
    │   └── UnsupportedModelError
    ├── BackendError             the runtime that executes a model
    │   └── MissingExtraError    a package that an extra installs is not there
    ├── SourceError              cameras, video files, streams
    ├── SinkError                where results go
    ├── ProfileError             what `onsight tune` found out about this device
    ├── NoChildError             a process of its own, for what may crash
    └── BenchmarkError           measuring, and the records

A message says what was wrong, where, what was expected and what to do, in one line.
"""

from __future__ import annotations


class OnsightError(Exception):
    """The root: `except OnsightError` catches all that onsight raises on purpose."""


class UsageError(OnsightError):
    """The call makes no sense whatever the files hold; the command exits with 2."""


class DataError(OnsightError):
    """A picture or a data set cannot be used."""


class ModelError(OnsightError):
    """A model file, bundle or run cannot be used."""


class IntegrityError(ModelError):
    """A file's bytes differ from those that were published with it."""


class UnsupportedModelError(ModelError):
    """A sound model that onsight cannot run: its tensors are not an image classifier's."""


class BackendError(OnsightError):
    """A runtime cannot be constructed or failed while it ran."""


class MissingExtraError(BackendError):
    """A package is not installed; the message names the pip command that installs it."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        self.package, self.extra = package, extra
        install = f"'onsight[{extra}]'" if extra else package
        super().__init__(f"{purpose} needs {package}, which is not installed: pip install {install}")


class SourceError(OnsightError):
    """A camera, file or stream cannot be opened or read."""


class SinkError(OnsightError):
    """Results cannot be written where they were sent."""


class ProfileError(OnsightError):
    """A device profile cannot be read, or was made for another model or device."""


class NoChildError(OnsightError):
    """No process can be started here that tries what may crash; callers may go on without."""


class BenchmarkError(OnsightError):
    """A measurement cannot be taken or a record cannot be read."""
