"""What can go wrong when bytes are kept or sealed; one tree, words fit for a log."""


class StorageError(Exception):
    """Base of this room's errors."""


class BadKey(StorageError, ValueError):
    """The name of an object is not one we give; nothing was read or written."""

    def __init__(self, key: str) -> None:
        super().__init__(f"not a key: {key[:80]!r}")


class NoSuchObject(StorageError, KeyError):
    """No object stands under this key."""

    def __init__(self, key: str) -> None:
        super().__init__(f"no object under {key}")


class Differs(StorageError):
    """Other bytes already stand under this key; they stay."""

    def __init__(self, key: str) -> None:
        super().__init__(f"other bytes already stand under {key}")


class StoreFull(StorageError):
    """The disk or the quota is full; nothing became visible."""

    def __init__(self, key: str) -> None:
        super().__init__(f"no space left for {key}")


class BadBox(StorageError):
    """An encrypted object does not open: another key, another place, cut short or changed."""
