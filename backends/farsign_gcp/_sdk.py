"""google-cloud-kms and the gRPC below it. All modules get them from here, so that gRPC learns how to wait when it is first imported.

Its default, epoll1, keeps in a global which thread polls; a child that is forked while one does inherits that, and 3 of 40 were aborted
by it ("Check failed: g_active_poller"). poll keeps no such thing, and costs nothing here. The environment is left as it was.
"""

from __future__ import annotations

import os
from typing import Final

_POLLER: Final = "GRPC_POLL_STRATEGY"  # read once, when gRPC is imported
_told = _POLLER in os.environ
os.environ.setdefault(_POLLER, "poll")

# isort: split
# ruff: noqa: E402 - the variable comes first
import grpc as grpc
from google.api_core import exceptions as exceptions
from google.api_core.gapic_v1.client_info import ClientInfo as ClientInfo
from google.cloud.kms_v1.services.key_management_service.transports import (
    KeyManagementServiceTransport as KeyManagementServiceTransport,
)
from google.cloud.kms_v1.types import resources as resources
from google.cloud.kms_v1.types import service as service

if not _told:
    del os.environ[_POLLER]
