"""JSON Web Keys (RFC 7517, 7518 6, 7638, 8037, 9964): keys that verify, sets of them, and the document that publishes them."""

from ._base.key_checks import WeakKeyWarning
from ._jose.key import Key
from ._jose.key_set import KeySet
from ._jose.key_source import KeySource
from ._jose.publish import document
from ._jose.remote_key_set import RemoteKeySet

__all__ = ["Key", "KeySet", "KeySource", "RemoteKeySet", "WeakKeyWarning", "document"]
