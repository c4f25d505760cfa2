"""What a signature by AWS KMS costs this process, beside bare boto3 and a call made by hand, all in one run: ``python -m benchmarks.aws``.

CPU seconds of this process, all its threads; the emulator is another process, so its work is not counted, and neither is waiting.
Medians of rounds in which every candidate takes its turn. Rows:

    by hand       one POST with urllib3, signature version 4 made with hmac: the least that a call can cost
    boto3         client.sign, its retries off
    driver        the same through the backend's driver: boto3, ended in time
    farsign       SigningKey.sign with the check of each signature off: what the portable layer adds to its driver
    checked       the same, as it is by default
    watched       as farsign, where the driver does not keep time (behind a proxy): each call on a worker thread

Under asyncio the first three run on 32 threads of an executor, as boto3's users have to; farsign's await ``asign``.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any

import boto3
import urllib3
from botocore.config import Config
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

import farsign
from farsign import driver
from farsign._base.encodings import raw_to_der
from farsign_aws._driver import AwsKey

from ._timing import table

DATA = b"h" * 40 + b"." + b"p" * 200
THREADS, TASKS = 32, 1000
ROUNDS = 21
PATIENT = farsign.Policy(timeout=60.0, attempt_timeout=30.0, verify=False, concurrency=THREADS)
GOAL = 1.0  # percent
Sign = Callable[[], bytes]
Rounds = Mapping[str, Callable[[], int]]  # name -> signs, and says how often


class Watched(AwsKey):
    """As behind a proxy."""

    def __init__(self, uri: driver.KeyURI) -> None:
        super().__init__(uri)
        self.total_timeout = False


class ByHand:
    """What the protocol asks for, and nothing else."""

    def __init__(self, url: str, key_id: str) -> None:
        self._pool = urllib3.connectionpool.connection_from_url(url, maxsize=THREADS, retries=False)
        self._host, self._key_id = url.removeprefix("http://"), key_id

    def sign(self) -> bytes:
        digest = base64.b64encode(hashlib.sha256(DATA).digest()).decode()
        ask = {"KeyId": self._key_id, "Message": digest, "MessageType": "DIGEST", "SigningAlgorithm": "ECDSA_SHA_256"}
        body = json.dumps(ask).encode()
        headers = self._signed(hashlib.sha256(body).hexdigest())
        reply = self._pool.urlopen("POST", "/", body=body, headers=headers)
        assert reply.status == 200
        return base64.b64decode(json.loads(reply.data)["Signature"])

    def _signed(self, body_hash: str) -> dict[str, str]:
        now = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        headers = {"content-type": "application/x-amz-json-1.1", "host": self._host, "x-amz-date": now,
                   "x-amz-target": "TrentService.Sign"}  # fmt: skip
        names, lines = ";".join(headers), "".join(f"{name}:{value}\n" for name, value in headers.items())
        canonical = f"POST\n/\n\n{lines}\n{names}\n{body_hash}"
        scope = f"{now[:8]}/us-east-1/kms/aws4_request"
        text = f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        key = b"AWS4emulator"
        for part in scope.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        signature = hmac.digest(key, text.encode(), "sha256").hex()
        credential = f"AWS4-HMAC-SHA256 Credential=emulator/{scope}, SignedHeaders={names}, Signature={signature}"
        return {**headers, "authorization": credential}


def bare(url: str, key_id: str) -> Sign:
    """As a careful user of boto3 sets it up."""
    config = Config(retries={"mode": "standard", "total_max_attempts": 1}, max_pool_connections=THREADS)
    kms = boto3.Session("emulator", "emulator", region_name="us-east-1").client("kms", endpoint_url=url, config=config)

    def sign() -> bytes:
        digest = hashlib.sha256(DATA).digest()
        signature: bytes = kms.sign(KeyId=key_id, Message=digest, MessageType="DIGEST", SigningAlgorithm="ECDSA_SHA_256")[
            "Signature"
        ]
        return signature

    return sign


class Candidates:
    """All ways to one key's signature."""

    def __init__(self, url: str, uri: str) -> None:
        parsed = farsign.parse_uri(uri)
        raw = AwsKey(parsed)
        described = raw.describe(timeout=30.0)
        self.public_key = farsign.open_signer(uri).key().public_key()
        self._keys = {
            "farsign": farsign.open_signer(uri, policy=PATIENT).key(),
            "checked": farsign.open_signer(uri, policy=farsign.Policy(timeout=60.0, attempt_timeout=30.0)).key(),
            "watched": farsign.Signer(lambda: Watched(parsed), policy=PATIENT).key(),
        }

        def through_driver() -> bytes:
            request = driver.SignRequest(described.version, "ES256", "digest", hashlib.sha256(DATA).digest())
            return raw.sign(request, timeout=30.0).signature

        self._direct: dict[str, Sign] = {
            "by hand": ByHand(url, described.version).sign,
            "boto3": bare(url, described.version),
            "driver": through_driver,
        }

    @property
    def sync(self) -> dict[str, Sign]:
        return {**self._direct, **{name: partial(key.sign, DATA) for name, key in self._keys.items()}}

    def one_at_a_time(self, calls: int = 10) -> Rounds:
        return {name: _repeat(sign, calls) for name, sign in self.sync.items()}

    def in_threads(self, pool: ThreadPoolExecutor, calls: int = 160) -> Rounds:
        return {name: _map(pool, sign, calls) for name, sign in self.sync.items()}

    def in_tasks(self, runner: asyncio.Runner, pool: ThreadPoolExecutor) -> Rounds:
        """1000 tasks at once."""
        direct = {name: _gather(runner, partial(_aside, pool, sign)) for name, sign in self._direct.items()}
        ours = {name: _gather(runner, partial(key.asign, DATA)) for name, key in self._keys.items()}
        return direct | ours


def _repeat(sign: Sign, calls: int) -> Callable[[], int]:
    def run() -> int:
        for _ in range(calls):
            sign()
        return calls

    return run


def _map(pool: ThreadPoolExecutor, sign: Sign, calls: int) -> Callable[[], int]:
    return lambda: len(list(pool.map(lambda _: sign(), range(calls))))


def _gather(runner: asyncio.Runner, call: Callable[[], Any]) -> Callable[[], int]:
    async def all_at_once() -> int:
        return len(await asyncio.gather(*(call() for _ in range(TASKS))))

    return lambda: runner.run(all_at_once())


async def _aside(pool: ThreadPoolExecutor, sign: Sign) -> bytes:
    return await asyncio.get_running_loop().run_in_executor(pool, sign)


class Samples:
    """Microseconds of CPU a signature, by name, one for each of several rounds."""

    def __init__(self, candidates: Rounds, rounds: int = ROUNDS) -> None:
        for run in candidates.values():
            run()
        taken = [[self._taken(run) for run in candidates.values()] for _ in range(rounds)]
        self._by_name: dict[str, tuple[float, ...]] = dict(zip(candidates, zip(*taken, strict=True), strict=True))

    @staticmethod
    def _taken(run: Callable[[], int]) -> float:
        started = time.process_time()
        count = run()
        return (time.process_time() - started) / count * 1e6

    def median(self, name: str) -> float:
        return statistics.median(self._by_name[name])

    def more(self, name: str, than: str) -> float:
        """Of the differences within each round, so that a machine that drifts hits both."""
        return statistics.median(one - other for one, other in zip(self._by_name[name], self._by_name[than], strict=True))

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._by_name)


def report(title: str, took: Samples) -> None:
    boto3_alone, own = took.median("boto3"), took.more("farsign", "driver")
    rows: list[tuple[object, ...]] = [(name, f"{took.median(name):.0f}", took.median(name) / boto3_alone) for name in took.names]
    table(title, ("", "CPU us", "/boto3"), rows)
    print(
        f"farsign over boto3 against bare boto3 {100 * took.more('farsign', 'boto3') / boto3_alone:+.1f} % (goal: at most +{GOAL:g} %): "
        f"the driver {took.more('driver', 'boto3'):+.0f} us, the portable layer {own:+.0f} us ({100 * own / boto3_alone:.1f} %)\n"
        f"the check of each signature {took.more('checked', 'farsign'):+.0f} us, "
        f"the watching worker {took.more('watched', 'farsign'):+.0f} us"
    )


def verified(candidates: Candidates) -> None:
    """The figures are of calls that work."""
    for name, sign in candidates.sync.items():
        signature = sign()
        if name in ("farsign", "checked", "watched"):
            signature = raw_to_der(signature, "P-256")
        candidates.public_key.verify(signature, DATA, ec.ECDSA(hashes.SHA256()))


@contextmanager
def emulated() -> Iterator[tuple[str, str]]:
    """Address and key URI of an emulator in another process."""
    command = [sys.executable, "-m", "farsign", "emulate", "awskms", "--key", "ES256:bench"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own program
        try:
            assert process.stdout
            url = process.stdout.readline().split()[1]
            yield url, process.stdout.readline().split()[1].strip("'")
        finally:
            process.terminate()


def main() -> None:
    with emulated() as (url, uri), ThreadPoolExecutor(THREADS) as pool, asyncio.Runner() as runner:
        candidates = Candidates(url, uri)
        verified(candidates)
        report("ES256, one at a time", Samples(candidates.one_at_a_time(), rounds=101))
        report(f"{THREADS} threads", Samples(candidates.in_threads(pool)))
        report(f"{TASKS} tasks", Samples(candidates.in_tasks(runner, pool), rounds=7))


if __name__ == "__main__":
    main()
