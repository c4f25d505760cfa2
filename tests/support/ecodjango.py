"""One Django for all ecosystem modules that need one: settings can be made only once in a process."""

from __future__ import annotations

from importlib.util import find_spec


def ready() -> None:
    import django
    from django.conf import settings

    if settings.configured:
        return
    apps = ["django.contrib.auth", "django.contrib.contenttypes", *(["oauth2_provider"] if find_spec("oauth2_provider") else [])]
    database = {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}
    settings.configure(USE_TZ=True, SECRET_KEY="unused", INSTALLED_APPS=apps, DATABASES={"default": database})
    django.setup()
