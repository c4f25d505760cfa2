"""Time, in one place, so that a fake can stand in: ``farsign.Signer(..., clock=...)``."""

from __future__ import annotations

import time as _time


class Clock:
    """monotonic() for ages and deadlines, time() for dates (seconds since the epoch), sleep and asleep(seconds) for backoff."""

    monotonic = staticmethod(_time.monotonic)
    time = staticmethod(_time.time)
    sleep = staticmethod(_time.sleep)

    async def asleep(self, seconds: float) -> None:
        import asyncio

        await asyncio.sleep(seconds)


SYSTEM = Clock()
