"""One Django for all ecosystem modules that need one: settings can be made only once in a process."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

OIDC: dict[str, Any] = {"OIDC_ENABLED": True, "SCOPES": {"openid": "who you are"}, "PKCE_REQUIRED": False}


def ready() -> None:
    import django
    from django.conf import settings

    if settings.configured:
        return
    apps = ["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions"]
    more: dict[str, Any] = {}
    if find_spec("oauth2_provider"):
        apps += ["oauth2_provider", "ecodot"]
        more = {"OAUTH2_PROVIDER_APPLICATION_MODEL": "ecodot.Application", "OAUTH2_PROVIDER": OIDC, "ROOT_URLCONF": "ecodot.urls"}
    middleware = [
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ]
    settings.configure(
        USE_TZ=True,
        SECRET_KEY="unused",
        ALLOWED_HOSTS=["testserver"],
        INSTALLED_APPS=apps,
        MIDDLEWARE=middleware,
        MIGRATION_MODULES={app.rpartition(".")[2]: None for app in apps},  # tables as the models say, at once
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        **more,
    )
    django.setup()
