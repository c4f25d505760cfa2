"""The stand-in for a vendor's SDK in docs/backends.md: keys in this process behind a vendor-like interface."""

import itertools
from typing import ClassVar

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed


class AcmeError(Exception):
    def __init__(self, code):
        super().__init__(code)
        self.code = code


class HSM:
    keys: ClassVar = {}
    _names = itertools.count()

    @classmethod
    def create(cls, name=None):
        name = name or f"key{next(cls._names)}"
        cls.keys[name] = [ec.generate_private_key(ec.SECP256R1())]
        return name

    @classmethod
    def find(cls, name, serial=None):
        versions = cls.keys.get(name)
        if not versions:
            raise AcmeError("no-such-key")
        serial = len(versions) if serial is None else int(str(serial).rsplit("/", 1)[-1])
        return serial, versions[serial - 1]


HSM.create("auth")


class Client:
    def __init__(self, host, slot):
        self.host, self.slot = host, slot

    def public_key(self, name, serial):
        serial, key = HSM.find(name, serial)
        pem = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        return {"serial": serial, "pem": pem.decode()}

    def sign(self, name, serial, digest):
        serial, key = HSM.find(name, serial)
        return {"serial": serial, "signature": key.sign(digest, ec.ECDSA(Prehashed(hashes.SHA256())))}

    def close(self):
        pass
