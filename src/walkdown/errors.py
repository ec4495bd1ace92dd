"""Every error that walkdown raises on purpose, in one tree.

    WalkdownError            what the command line prints as one message, without a traceback
    ├── SpecError            a pipeline file or a setting is wrong: file, line, key, what is allowed
    ├── ImageError           one image cannot be read: becomes a failed result, never a failed batch
    ├── ModelError           a model cannot look at this image, or answered nonsense
    │   └── ArtefactError    a model's files are missing, changed, or of an unknown format
    ├── TrainingError        the given photographs cannot make a model: how many, what is needed
    ├── NotFound             no such model, version, image, inspection: names what there is
    ├── StoreError           the workspace cannot be read or written
    │   └── AwsError         a call to AWS failed (sdk.aws): why, and what next
    ├── NotifyError          an alert could not be delivered; it stays in the outbox
    └── MissingExtra         an optional dependency is absent: the exact install command

A message says where, what, and what next. Exceptions of other people's libraries are translated
at the adapter that called them and kept as ``__cause__``.
"""


class WalkdownError(Exception):
    """Base of all errors that a user can do something about."""


class SpecError(WalkdownError):
    """A pipeline file or a setting is wrong."""


class ImageError(WalkdownError):
    """One image cannot be read. The message is a reason that a person understands."""


class ModelError(WalkdownError):
    """A model cannot look at an image."""


class ArtefactError(ModelError):
    """A model's files are missing, changed since they were made, or of an unknown format."""


class TrainingError(WalkdownError):
    """The given photographs cannot make a model."""


class NotFound(WalkdownError):
    """A named model, version, image or inspection does not exist."""


class StoreError(WalkdownError):
    """The workspace cannot be read or written."""


class NotifyError(WalkdownError):
    """An alert could not be delivered."""


class MissingExtra(WalkdownError):
    """An optional dependency is not installed.

    >>> str(MissingExtra("query", "walkdown query"))
    "walkdown query needs the extra 'query': pip install 'walkdown[query]'"
    """

    def __init__(self, extra: str, what: str) -> None:
        super().__init__(f"{what} needs the extra '{extra}': pip install 'walkdown[{extra}]'")
        self.extra = extra
