"""Signatures of pysaml2, both bindings.

    context = client.sec                                                      # of a Saml2Client or Server
    context.sec_backend = farsign_contrib.pysaml2.RSACrypto(signer.key())     # HTTP-Redirect: the query's signature
    context.crypto = farsign_contrib.pysaml2.CryptoBackend(signer.key(), context.crypto)   # HTTP-POST: XML signatures

pysaml2 signs XML by running xmlsec1 with a key file, which a remote key has not: this backend fills in the signature's template with
lxml, and leaves verifying, encrypting and decrypting to the backend that was there. Keys are RSA, as in pysaml2.
Providers do not sign SHA-1: set ``signing_algorithm`` and ``digest_algorithm`` to SHA-256 in the configuration.
"""

from __future__ import annotations

import base64
import copy
import hashlib
from functools import cache
from typing import Any, Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from farsign.errors import AlgorithmNotSupported

from ._given import known, private_key, signing_key

_DS: Final = "{http://www.w3.org/2000/09/xmldsig#}"
_RSA: Final = {"rsa-sha256": hashes.SHA256(), "rsa-sha384": hashes.SHA384(), "rsa-sha512": hashes.SHA512()}


def RSACrypto(key: Any) -> Any:  # noqa: N802  # pysaml2's name; a function, so that saml2 is imported late
    """A ``saml2.sigver.RSACrypto``."""
    from saml2 import sigver

    known(key, "pysaml2", "RSA")
    return sigver.RSACrypto(private_key(key))


def CryptoBackend(key: Any, other: Any) -> Any:  # noqa: N802  # as above
    """A ``saml2.sigver.CryptoBackend`` that signs with the key, and asks ``other`` for the rest."""
    known(key, "pysaml2", "RSA")
    return _class()(key, other)


@cache
def _class() -> Any:
    from lxml import etree
    from saml2 import sigver

    def canonical(element: Any) -> bytes:
        octets: bytes = etree.tostring(element, method="c14n", exclusive=True, with_tail=False)
        return octets

    class RemoteBackend(sigver.CryptoBackend):
        def __init__(self, key: Any, other: Any) -> None:
            self._key, self._other = key, other
            self.encrypt, self.decrypt = other.encrypt, other.decrypt
            self.encrypt_assertion, self.validate_signature = other.encrypt_assertion, other.validate_signature

        @property
        def version(self) -> Any:
            return self._other.version

        def sign_statement(self, statement: Any, node_name: str, key_file: str, node_id: str) -> str:
            """Fills in the first signature of the node: its digest, then its value (XML Signature 3.1, exclusive C14N)."""
            parser = etree.XMLParser(resolve_entities=False, no_network=True)
            root = etree.fromstring(statement if isinstance(statement, bytes) else str(statement).encode(), parser)
            local = node_name.rpartition(":")[2]
            (node,) = root.xpath("//*[local-name()=$name and (not($id) or @ID=$id)]", name=local, id=node_id or "")
            signature = node.find(f"{_DS}Signature")
            info = signature.find(f"{_DS}SignedInfo")
            bare = copy.deepcopy(node)
            bare.remove(bare.find(f"{_DS}Signature"))
            method = info.find(f"{_DS}Reference/{_DS}DigestMethod").get("Algorithm").rpartition("#")[2]
            digest = hashlib.new(method, canonical(bare)).digest()
            info.find(f"{_DS}Reference/{_DS}DigestValue").text = base64.b64encode(digest).decode()
            method = info.find(f"{_DS}SignatureMethod").get("Algorithm").rpartition("#")[2]
            value = _sign(self._key, method, canonical(info))
            signature.find(f"{_DS}SignatureValue").text = base64.b64encode(value).decode()
            return str(etree.tostring(root, encoding="unicode"))

    return RemoteBackend


def _sign(key: Any, method: str, data: bytes) -> bytes:
    if method not in _RSA:
        next_step = "set signing_algorithm in pysaml2's configuration, e.g. to saml2.xmldsig.SIG_RSA_SHA256"
        raise AlgorithmNotSupported(f"{signing_key(key).name} cannot sign {method}", next_step=next_step)
    signature: bytes = private_key(key).sign(data, padding.PKCS1v15(), _RSA[method])
    return signature
