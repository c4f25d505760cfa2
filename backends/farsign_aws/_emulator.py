"""AWS KMS on loopback, as far as signing and managing signing keys goes, with the STS that ``role=`` needs.

The wire protocol is AWS JSON 1.1; signature version 4 is verified. Any SDK, in any language, and the AWS command line can talk to it.
Error codes, texts and HTTP statuses are AWS's (API reference; texts as real KMS was recorded to answer). It is faithful where other
emulators are not: a DIGEST is not hashed again and has to have the right length, PSS salts are as long as the digest, disabled keys
and keys pending deletion refuse, messages over 4096 bytes are refused, replies name key ARNs, Ed25519 and ML-DSA exist.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Final
from urllib.parse import parse_qsl

from farsign.errors import AlgorithmNotSupported
from farsign.testing.emulator import (
    Call,
    EmulatedKey,
    EmulatorClock,
    Fault,
    HttpEmulator,
    InjectedError,
    Key,
    Reply,
    Request,
    kind_of,
)

from . import _emulator_admin as admin
from . import _emulator_crypto as crypto
from . import _emulator_grants as grants
from ._emulator_auth import ACCOUNT, AwsError, Credentials, scope_of
from ._emulator_keys import Ask, KmsKeys, members
from ._emulator_sts import ERROR_NAMES, Sts, error_xml, result_xml
from ._emulator_tables import SIGN_VERIFY, SITUATIONS, SPEC_OF_KIND, STATUS, TEXT

TARGET = "TrentService."
REGION = "us-east-1"
# what another account's ARN may be used for; its key policy is taken to allow it
CROSS_ACCOUNT = ("Sign", "Verify", "GetPublicKey", "DescribeKey")
NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})
GRANTING: Final = {"CreateGrant": grants.create_grant}
KMS_OPERATIONS: Final = frozenset({*admin.OTHERS, *admin.ON_ONE_KEY, *GRANTING, *crypto.OPERATIONS})
_STS_BAD_REQUEST = ("ValidationError", "Throttling", "InvalidAction")


class AwsEmulator(HttpEmulator):
    """Credentials are emulator/emulator (account 111122223333); ``credentials.add`` makes others.

    lag: eventual consistency; ``aws.lag.reads = 3`` or ``aws.lag.seconds = 1.5`` delay what is changed from then on.
    deny: refuse an action, as long as no grant allows it; as policies do that do not mention it.
    sts.external_ids: role ARN -> the external id that it takes to assume it.
    """

    scheme: ClassVar[str] = "awskms"
    operations: ClassVar[Mapping[str, str]] = {"Sign": "sign", "GetPublicKey": "describe", "DescribeKey": "describe"}
    other_operations: ClassVar[Collection[str]] = (*sorted(KMS_OPERATIONS), *Sts.operations)

    def __init__(self, *, host: str = "127.0.0.1", port: int = 0, seed: int = 0, clock: EmulatorClock | None = None) -> None:
        super().__init__(host=host, port=port, seed=seed, clock=clock)
        self.kms = KmsKeys(self.keys)
        self.lag = self.kms.lag
        self.credentials = Credentials(self.clock)
        self.sts = Sts(self.credentials)
        self._denied: set[tuple[str, str]] = set()

    # what tests use

    def create_key(
        self,
        algorithm: str,
        alias: str | None = None,
        *,
        bits: int = 2048,
        created: float | None = None,
        region: str = REGION,
        account: str = ACCOUNT,
        multi_region: bool = False,
        usage: str = SIGN_VERIFY,
        **options: Any,
    ) -> EmulatedKey:
        """``alias`` is the name without "alias/". region, account, multi_region, usage: as CreateKey has them.

        Raises AlgorithmNotSupported.
        """
        if options:
            raise TypeError(f"AWS keys have no option {' '.join(options)}")
        spec = SPEC_OF_KIND.get(kind_of(algorithm, bits))
        if spec is None:
            raise AlgorithmNotSupported(f"AWS KMS has no keys for {algorithm} ({bits} bits)")
        with self.keys.lock:
            key = self.kms.create(account, region, spec, usage=usage, multi_region=multi_region, created=created)
            if alias:
                self.kms.point_alias(account, region, f"alias/{alias}", key.name.split("/")[2])
        return self._emulated(key, algorithm, alias)

    def rotate(self, key: EmulatedKey, *, created: float | None = None) -> EmulatedKey:
        """A new key of the same spec, and the alias moved to it: AWS has no other rotation for signing keys."""
        if key.alias is None:
            raise ValueError("an AWS signing key rotates by its alias; create it with one")
        stored = self.keys.keys[key.name]
        account, region, _ = key.name.split("/")
        with self.keys.lock:
            made = self.kms.create(
                account,
                region,
                self.kms.spec_of(stored),
                multi_region=stored.attributes["primary"] is not None,
                created=created,
            )
        rotated = self._emulated(made, key.algorithm, key.alias)
        self.move_alias(key.alias, rotated)
        return rotated

    def replicate(self, key: EmulatedKey, region: str) -> EmulatedKey:
        """The same multi-Region key in another region, by its id."""
        with self.keys.lock:
            replica = self.kms.replicate(self.keys.keys[key.name], region, "")
        return self._emulated(replica, key.algorithm, None)

    def move_alias(self, alias: str, key: EmulatedKey) -> None:
        account, region, key_id = key.name.split("/")
        with self.keys.lock:
            self.kms.point_alias(account, region, f"alias/{alias}", key_id)

    def delete(self, key: EmulatedKey) -> None:
        """Schedules the deletion: the key is unusable at once and can be restored for 30 days."""
        with self.keys.lock:
            admin.schedule_deletion(self.kms, self.keys.keys[key.name], 30)

    def deny(self, action: str, key: EmulatedKey | None = None) -> None:
        """From now on ``action`` ("kms:Sign") is refused, on that key or on all."""
        self._denied.add((action, key.version if key else ""))

    def allow(self, action: str, key: EmulatedKey | None = None) -> None:
        self._denied.discard((action, key.version if key else ""))

    def environment(self) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL_KMS": self.url,
            "AWS_ENDPOINT_URL_STS": self.url,
            "AWS_ACCESS_KEY_ID": "emulator",
            "AWS_SECRET_ACCESS_KEY": "emulator",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,  # the command line and boto3 read only this one
        }

    def _emulated(self, key: Key, algorithm: str, alias: str | None) -> EmulatedKey:
        _, region, key_id = key.name.split("/")
        listed = self.kms.spec_of(key).signing
        needs_alg = listed[0].startswith("RSA") or algorithm == "Ed25519"  # Ed25519 is called EdDSA unless asked for
        tail = f"?region={region}&endpoint={self.url}&auth=emulator" + (f"&alg={algorithm}" if needs_alg else "")
        return EmulatedKey(
            uri=f"awskms:///{f'alias/{alias}' if alias else key_id}{tail}",
            pinned=f"awskms:///{key_id}{tail}",
            algorithm=algorithm,
            version=self.kms.arn_of(key),
            name=key.name,
            version_id="1",
            alias=alias,
            public_key=key.newest.spki,
        )

    # the wire

    def answer(self, request: Request) -> Reply:
        target = request.headers.get("x-amz-target", "")
        return self._answer_kms(request, target.removeprefix(TARGET)) if target else self._answer_sts(request)

    def answer_error(self, error: InjectedError) -> Reply:
        code = SITUATIONS.get(error.name, error.name)
        record = error.record
        operation, action = record.operation, f"kms:{record.operation}"
        key = (
            record.key if record.key.startswith("arn:") else self.kms.arn(ACCOUNT, record.scope or REGION, _resource(record.key))
        )
        principal = f"arn:aws:iam::{ACCOUNT}:user/emulator"
        text = TEXT.get(code, "").format(arn=key, action=action, principal=principal, operation=operation)
        after = {} if error.retry_after is None else {"x-amz-retry-after": str(round(error.retry_after * 1000))}
        answer = _sts_error if operation in self.sts.operations else _kms_error
        return answer(AwsError(code, text), record.request_id, after)

    def _answer_kms(self, request: Request, operation: str) -> Reply:
        scope = scope_of(request)
        try:
            body = json.loads(request.body or b"{}")
        except ValueError:
            body = None
        named = body.get("KeyId") or body.get("AliasName") or "" if isinstance(body, dict) else ""
        call = self.enter(operation, key=str(named), scope=scope.region if scope else "")
        try:
            reply = self._run(request, operation, body, call)
        except AwsError as error:
            return _kms_error(error, call.record.request_id, faults=call.faults)
        text = json.dumps(reply, separators=(",", ":")).encode() if reply is not None else b""
        return Reply(200, text, _headers(call.record.request_id), call.faults)

    def _run(self, request: Request, operation: str, body: Any, call: Call) -> dict[str, Any] | None:
        caller, scope = self.credentials.verify(request, "kms")
        ask = Ask(operation, members(body), scope.region, caller, call)
        if other := admin.OTHERS.get(operation):
            with self.keys.lock:
                self._authorize(ask, "*")
                return other(self.kms, ask)
        on_key = crypto.OPERATIONS.get(operation) or admin.ON_ONE_KEY.get(operation) or GRANTING.get(operation)
        if on_key is None:
            has = " ".join(sorted(KMS_OPERATIONS))
            raise AwsError("UnknownOperationException", f"the farsign emulator has no {operation}; it has {has}")
        if operation in ("Sign", "Verify"):
            crypto.validate(ask)
        with self.keys.lock:
            key = self.kms.find(ask, str(ask.need("KeyId")))
            self._authorize(ask, self.kms.arn_of(key))
        return on_key(self.kms, ask, key)

    def _authorize(self, ask: Ask, arn: str) -> None:
        action = f"kms:{ask.operation}"
        foreign = arn != "*" and arn.split(":")[4] != ask.account and ask.operation not in CROSS_ACCOUNT
        granted = grants.permits(self.kms, ask, arn)
        if foreign or (not granted and self._denied & {(action, ""), (action, arn)}):
            raise AwsError(
                "AccessDeniedException",
                TEXT["AccessDeniedException"].format(principal=ask.caller.principal, action=action, arn=arn),
            )

    def _answer_sts(self, request: Request) -> Reply:
        ask = dict(parse_qsl(request.body.decode("utf-8", "replace") or request.query, keep_blank_values=True))
        operation = ask.get("Action", "")
        scope = scope_of(request)
        call = self.enter(operation or request.path, key=ask.get("RoleArn", ""), scope=scope.region if scope else "")
        request_id = call.record.request_id
        try:
            run = self.sts.operations.get(operation)
            if run is None:
                raise AwsError("UnknownOperationException", f"the farsign emulator has no {operation or request.path} in STS")
            caller, _ = self.credentials.verify(request, "sts")
            if (f"sts:{operation}", "") in self._denied:
                text = f"User: {caller.principal} is not authorized to perform: sts:{operation} on resource: {ask.get('RoleArn', '*')}"
                raise AwsError("AccessDeniedException", text)
            return Reply(
                200, result_xml(operation, run(self.sts, ask, caller), request_id), _xml_headers(request_id), call.faults
            )
        except AwsError as error:
            return _sts_error(error, request_id, faults=call.faults)


def _resource(key_id: str) -> str:
    return key_id if key_id.startswith("alias/") else f"key/{key_id}"


def _headers(request_id: str) -> dict[str, str]:
    return {
        "x-amzn-RequestId": request_id,
        "Cache-Control": "no-cache, no-store, must-revalidate, private",
        "Content-Type": "application/x-amz-json-1.1",
    }


def _xml_headers(request_id: str) -> dict[str, str]:
    return {"x-amzn-RequestId": request_id, "Content-Type": "text/xml"}


def _kms_error(
    error: AwsError, request_id: str, extra: Mapping[str, str] = NOTHING, faults: Mapping[str, Fault] = NOTHING
) -> Reply:
    body = {"__type": error.code} | ({} if error.message is None else {"message": error.message})
    return Reply(STATUS.get(error.code, 400), json.dumps(body).encode(), {**_headers(request_id), **extra}, faults)


def _sts_error(
    error: AwsError, request_id: str, extra: Mapping[str, str] = NOTHING, faults: Mapping[str, Fault] = NOTHING
) -> Reply:
    code = ERROR_NAMES.get(error.code, error.code)
    status = STATUS.get(error.code, 400 if code in _STS_BAD_REQUEST else 403)
    return Reply(status, error_xml(code, error.message or "", request_id), {**_xml_headers(request_id), **extra}, faults)
