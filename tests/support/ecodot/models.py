"""The application model of django-oauth-toolkit's tests: its key is remote. The folder is a Django app."""

from __future__ import annotations

from typing import Any, ClassVar

from oauth2_provider.models import AbstractApplication

from farsign_contrib.jwcrypto import jwk


class Application(AbstractApplication):
    signing: ClassVar[Any] = None  # a SigningKey

    class Meta(AbstractApplication.Meta):
        app_label = "ecodot"

    @property
    def jwk_key(self) -> Any:
        return jwk(self.signing)
