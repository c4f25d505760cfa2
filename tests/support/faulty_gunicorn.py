"""A WSGI application for gunicorn --preload: a signer that is opened, and used, before the workers are forked; each request signs."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from typing import Any

from faulty_children import TRUSTING

import farsign

signer = farsign.open_signer(os.environ["FARSIGN_URI"], policy=TRUSTING)
signer.check()


def app(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
    data = os.urandom(16)
    told = {"worker": os.getpid(), "data": data.hex(), "signature": signer.key().sign(data).hex()}
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(told).encode()]
