"""What can go wrong when a face or a document is looked at; one tree, words fit for a log, never a field's value."""


class IdentityError(Exception):
    """Base of this room's errors. `key` names the words that a page shows for it."""

    key = "identity-failed"


class NoFace(IdentityError):
    """No face was found where one is needed."""

    key = "no-face"


class ManyFaces(IdentityError):
    """Two faces of comparable size: whose is meant is not for a machine to guess."""

    key = "many-faces"


class Unreadable(IdentityError):
    """The bytes are no picture that we open, or the picture shows no document that we know."""

    key = "unreadable"


class BadWeights(IdentityError):
    """A model file is missing or is not the one that was measured; nothing of it was run."""

    key = "bad-weights"


class BadThresholds(IdentityError):
    """A file of an office's own thresholds cannot be used, or is for another model."""

    key = "bad-thresholds"


class NoEngine(IdentityError):
    """No engine of this name stands here, or its packages were left out."""

    key = "no-engine"


class ChildFailed(IdentityError):
    """The child process died, ran out of its limits or answered nonsense; it was ended, nothing was kept."""

    key = "child-failed"
