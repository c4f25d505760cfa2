"""Sign with keys that never enter the process: one URI per key, standard JWS, JWT and private-key objects out.

Names are imported when they are first used, so that ``import farsign`` costs next to nothing.
"""

TYPE_CHECKING = False  # the name is what type checkers look for; importing it from typing would cost more than all the rest
if TYPE_CHECKING:
    from . import driver, errors, jwk, jws, jwt
    from ._base.events import observe
    from ._base.policy import Policy, deadline
    from ._base.uri import KeyURI
    from ._jose.issuer import Issuer, open_issuer
    from ._plugin.discovery import parse_uri
    from ._signer.signer import Signer, open_signer
    from ._signer.signing_key import SigningKey
    from .errors import ConfigurationError, FarsignError, InvalidKeyURI, InvalidToken, ProviderError

    __version__: str

# name -> the module that holds it; a module holds itself
_HOME = {
    "ConfigurationError": "errors",
    "FarsignError": "errors",
    "InvalidKeyURI": "errors",
    "InvalidToken": "errors",
    "Issuer": "_jose.issuer",
    "KeyURI": "_base.uri",
    "Policy": "_base.policy",
    "ProviderError": "errors",
    "Signer": "_signer.signer",
    "SigningKey": "_signer.signing_key",
    "deadline": "_base.policy",
    "driver": "driver",
    "errors": "errors",
    "jwk": "jwk",
    "jws": "jws",
    "jwt": "jwt",
    "observe": "_base.events",
    "open_issuer": "_jose.issuer",
    "open_signer": "_signer.signer",
    "parse_uri": "_plugin.discovery",
}
__all__ = [
    "ConfigurationError",
    "FarsignError",
    "InvalidKeyURI",
    "InvalidToken",
    "Issuer",
    "KeyURI",
    "Policy",
    "ProviderError",
    "Signer",
    "SigningKey",
    "deadline",
    "driver",
    "errors",
    "jwk",
    "jws",
    "jwt",
    "observe",
    "open_issuer",
    "open_signer",
    "parse_uri",
]

if not TYPE_CHECKING:  # type checkers would take every misspelt name for granted

    def __getattr__(name):
        if name == "__version__":
            from importlib.metadata import version

            value = version("farsign")
        elif home := _HOME.get(name):
            from importlib import import_module

            module = import_module(f".{home}", __name__)
            value = module if name == home else getattr(module, name)
        else:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*(name for name in globals() if name.startswith("__")), *__all__, "__version__"})
