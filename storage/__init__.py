"""Write-once objects on disk."""

from storage.errors import BadBox, BadKey, Differs, NoSuchObject, StorageError, StoreFull
from storage.local import Store

__all__ = ["BadBox", "BadKey", "Differs", "NoSuchObject", "StorageError", "Store", "StoreFull"]
