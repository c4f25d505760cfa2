"""JSON Web Keys (RFC 7517, 7518 6, 7638, 8037, 9964): keys that verify, sets of them, and the document that publishes them."""

from ._key import Key
from ._key_checks import WeakKeyWarning
from ._key_set import KeySet
from ._key_source import KeySource
from ._publish import document
from ._remote_key_set import RemoteKeySet

__all__ = ["Key", "KeySet", "KeySource", "RemoteKeySet", "WeakKeyWarning", "document"]
