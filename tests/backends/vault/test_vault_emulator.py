"""The emulator answers as OpenBao 2.6 was seen to answer, its surprises included; hvac, and requests without any SDK, ask."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from typing import Any

import hvac
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import load_der_public_key, load_pem_public_key
from driving import MESSAGE, verify
from transit import ask, sdk

from farsign._base.encodings import raw_to_der
from farsign._plugin.discovery import backend
from farsign.errors import AlgorithmNotSupported
from farsign_vault import _emulator_auth as accepted
from farsign_vault._emulator import OpenBaoEmulator, VaultEmulator

INPUT = base64.b64encode(MESSAGE).decode()
TYPES = ["ecdsa-p256", "ecdsa-p384", "ecdsa-p521", "ed25519", "rsa-2048"]


def wrapped(text: str) -> dict[str, list[str]]:
    return {"errors": [f"1 error occurred:\n\t* {text}\n\n"]}


def test_a_signature_in_its_envelope(vault: VaultEmulator) -> None:
    sdk(vault).secrets.transit.create_key("ecdsa-p256", key_type="ecdsa-p256")
    status, body, headers = ask(vault, "POST", "transit/sign/ecdsa-p256", {"input": "aGVsbG8gandz"})
    assert status == 200
    assert list(body) == ["request_id", "lease_id", "renewable", "lease_duration", "data", "wrap_info", "warnings", "auth"]
    assert (body["lease_id"], body["renewable"], body["lease_duration"], body["warnings"], body["auth"]) == (
        "",
        False,
        0,
        None,
        None,
    )
    assert list(body["data"]) == ["key_version", "signature"]
    assert body["data"]["key_version"] == 1
    assert re.fullmatch(r"vault:v1:MEQCI[\w+/]+={0,2}|vault:v1:ME[\w+/]+={0,2}", body["data"]["signature"])
    assert headers["content-type"] == "application/json"


@pytest.mark.parametrize("kind", TYPES)
def test_a_key_as_it_is_read(vault: VaultEmulator, kind: str) -> None:
    sdk(vault).secrets.transit.create_key("k", key_type=kind)
    data = ask(vault, "GET", "transit/keys/k")[1]["data"]
    shown = data["keys"].pop("1")
    assert sorted(shown) == ["certificate_chain", "creation_time", "name", "public_key"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z", shown["creation_time"])
    if kind == "ed25519":
        assert len(base64.b64decode(shown["public_key"], validate=True)) == 32
    else:
        assert shown["public_key"].startswith("-----BEGIN PUBLIC KEY-----\n")
        assert shown["public_key"].endswith("-----END PUBLIC KEY-----\n")
        load_pem_public_key(shown["public_key"].encode())
    assert data["type"] == kind
    assert (data["latest_version"], data["min_available_version"]) == (1, 0)
    assert (data["min_decryption_version"], data["min_encryption_version"]) == (1, 0)
    assert (data["soft_deleted"], data["supports_signing"], data["derived"], data["imported_key"]) == (False, True, False, False)


def test_an_hmac_key_shows_no_keys(vault: VaultEmulator) -> None:
    assert ask(vault, "POST", "transit/keys/k", {"type": "hmac"})[0] == 200
    data = ask(vault, "GET", "transit/keys/k")[1]["data"]
    assert "keys" not in data
    assert (data["key_size"], data["supports_signing"]) == (32, False)


def test_the_default_hash_is_sha256_for_every_key(vault: VaultEmulator) -> None:
    key = vault.create_key("ES512", "k")
    text = ask(vault, "POST", "transit/sign/k", {"input": INPUT})[1]["data"]["signature"]
    public: Any = load_der_public_key(key.public_key)
    public.verify(base64.b64decode(text.removeprefix("vault:v1:")), MESSAGE, ec.ECDSA(hashes.SHA256()))


def test_the_default_of_rsa_is_pss_with_the_longest_salt(vault: VaultEmulator) -> None:
    key = vault.create_key("PS256", "k")
    public: Any = load_der_public_key(key.public_key)

    def salt(**body: Any) -> int | None:
        text = ask(vault, "POST", "transit/sign/k", {"input": INPUT, **body})[1]["data"]["signature"]
        signature = base64.b64decode(text.removeprefix("vault:v1:"))
        for length in (222, 32, 10):
            try:
                public.verify(signature, MESSAGE, padding.PSS(padding.MGF1(hashes.SHA256()), length), hashes.SHA256())
            except InvalidSignature:
                continue
            return length
        return None

    assert [salt(), salt(salt_length="auto"), salt(salt_length="0")] == [222, 222, 222]
    assert [salt(salt_length="hash"), salt(salt_length="-1"), salt(salt_length=-1)] == [32, 32, 32]
    assert [salt(salt_length="10"), salt(salt_length=10)] == [10, 10]
    assert ask(vault, "POST", "transit/sign/k", {"input": INPUT, "salt_length": "-2"})[0] == 400
    assert ask(vault, "POST", "transit/sign/k", {"input": INPUT, "salt_length": "abc"})[0] == 400
    assert ask(vault, "POST", "transit/sign/k", {"input": INPUT, "salt_length": "999"})[:2] == (
        500,
        wrapped("requested salt length 999 is invalid"),
    )


@pytest.mark.parametrize(("algorithm", "length"), [("ES256", 64), ("ES384", 96), ("ES512", 132), ("EdDSA", 64), ("RS256", 256)])
def test_jws_marshaling_is_unpadded_base64url_for_every_type(vault: VaultEmulator, algorithm: str, length: int) -> None:
    vault.create_key(algorithm, "k")
    for _ in range(8):
        body = {"input": INPUT, "marshaling_algorithm": "jws"}
        text = ask(vault, "POST", "transit/sign/k", body)[1]["data"]["signature"].removeprefix("vault:v1:")
        assert re.fullmatch(r"[\w-]+", text)
        assert len(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))) == length


# body -> status, errors: what the server says to a caller's mistakes
MISTAKES: list[tuple[str, dict[str, Any], int, Any]] = [
    ("ES256", {"key_version": 9}, 500, wrapped("requested version for signing is higher than the latest key version")),
    ("ES256", {"key_version": -1}, 500, wrapped("requested version for signing is negative")),
    ("RS256", {"prehashed": True}, 500, wrapped("crypto/rsa: input must be hashed message")),
    ("RS256", {"signature_algorithm": "pkcs7"}, 500, wrapped("unsupported rsa signature algorithm pkcs7")),
    ("ES256", {"hash_algorithm": "md5"}, 400, {"errors": ['invalid hash algorithm "md5"']}),
    ("ES256", {"marshaling_algorithm": "xml"}, 400, {"errors": ['invalid marshaling type "xml"']}),
    (
        "EdDSA",
        {"hash_algorithm": "none"},
        400,
        {"errors": ["hash_algorithm=none requires both prehashed=true and signature_algorithm=pkcs1v15"]},
    ),
    ("ES256", {"batch_input": []}, 400, {"errors": ["missing batch input to process"]}),
    ("ES256", {"batch_input": True}, 400, {"errors": ["failed to parse batch input"]}),
    ("ES256", {"batch_input": [None]}, 400, {"errors": ["failed to parse batch input"]}),
]


@pytest.mark.parametrize(("algorithm", "body", "status", "told"), MISTAKES)
def test_mistakes_of_the_caller(vault: VaultEmulator, algorithm: str, body: dict[str, Any], status: int, told: Any) -> None:
    vault.create_key(algorithm, "k")
    assert ask(vault, "POST", "transit/sign/k", {"input": INPUT, **body})[:2] == (status, told)


def test_what_is_accepted_though_it_should_not_be(vault: VaultEmulator) -> None:
    """ECDSA with a digest of any length, no input at all, members that nobody knows; Ed25519 ignores what is said of hashes."""
    key = vault.create_key("ES256", "k")
    short = base64.b64encode(b"short").decode()
    text = ask(vault, "POST", "transit/sign/k", {"input": short, "prehashed": True})[1]["data"]["signature"]
    public: Any = load_der_public_key(key.public_key)
    scheme = ec.ECDSA(Prehashed(hashes.SHA256()))
    public.verify(base64.b64decode(text.removeprefix("vault:v1:")), b"short".rjust(32, b"\0"), scheme)
    status, body, _ = ask(vault, "POST", "transit/sign/k", {"marshaling_algorithm": "jws"})
    assert status == 200
    empty = base64.urlsafe_b64decode(body["data"]["signature"].removeprefix("vault:v1:") + "==")
    verify(key.public_key, "ES256", empty, b"")
    body = ask(vault, "POST", "transit/sign/k", {"input": INPUT, "colour": "red"})[1]
    assert "colour" in body["warnings"][0]
    edwards = vault.create_key("EdDSA", "e")
    said = {"input": INPUT, "prehashed": True, "hash_algorithm": "sha2-512", "marshaling_algorithm": "jws"}
    text = ask(vault, "POST", "transit/sign/e", said)[1]["data"]["signature"].removeprefix("vault:v1:")
    verify(edwards.public_key, "EdDSA", base64.urlsafe_b64decode(text + "=="))


def test_a_hash_in_the_url_beats_the_body_and_is_a_path_of_its_own(vault: VaultEmulator) -> None:
    key = vault.create_key("ES384", "k")
    body = {"input": INPUT, "hash_algorithm": "sha2-256", "marshaling_algorithm": "jws"}
    text = ask(vault, "POST", "transit/sign/k/sha2-384", body)[1]["data"]["signature"].removeprefix("vault:v1:")
    verify(key.public_key, "ES384", base64.urlsafe_b64decode(text))
    vault.deny("transit/sign/k/sha2-384")
    assert ask(vault, "POST", "transit/sign/k/sha2-384", body)[0] == 403
    assert ask(vault, "POST", "transit/sign/k", body)[0] == 200


def test_batches(vault: VaultEmulator) -> None:
    """A per-item version is ignored, a failure is the item's, and 499 items are too many strings by one more."""
    key = vault.create_key("ES256", "k")
    vault.rotate(key)
    items = [{"input": INPUT, "key_version": "2", "reference": "a"}, {"input": "!"}, {"reference": "c"}]
    status, body, _ = ask(vault, "POST", "transit/sign/k", {"batch_input": items, "key_version": 1})
    first, second, third = body["data"]["batch_results"]
    assert status == 200
    assert (first["key_version"], first["reference"]) == (1, "a")
    assert (second["key_version"], third["error"], third["reference"]) == (0, "missing input", "c")
    assert ask(vault, "POST", "transit/sign/k", {"batch_input": [{"input": INPUT}] * 499})[0] == 200
    assert ask(vault, "POST", "transit/sign/k", {"batch_input": [{"input": INPUT}] * 500})[0] == 400


def test_creating_over_an_existing_key_is_a_success_that_changes_nothing(vault: VaultEmulator) -> None:
    vault.create_key("ES256", "k")
    status, body, _ = ask(vault, "POST", "transit/keys/k", {"type": "rsa-2048"})
    assert (status, body["data"]["type"], body["warnings"]) == (200, "ecdsa-p256", ["key k already existed"])


def test_rotation_configuration_and_trimming(vault: VaultEmulator) -> None:
    client = sdk(vault)
    transit = client.secrets.transit
    transit.create_key("k", key_type="ecdsa-p256")
    for _ in range(3):
        transit.rotate_key("k")
    assert transit.read_key("k")["data"]["latest_version"] == 4
    assert transit.sign_data("k", hash_input=INPUT)["data"]["signature"].startswith("vault:v4:"), "the default moves at once"
    assert transit.sign_data("k", hash_input=INPUT, key_version=2)["data"]["signature"].startswith("vault:v2:")
    transit.update_key_configuration("k", min_encryption_version=3, min_decryption_version=2)
    assert sorted(transit.read_key("k")["data"]["keys"]) == ["2", "3", "4"], "older versions vanish"
    assert ask(vault, "POST", "transit/sign/k", {"input": INPUT, "key_version": 2})[:2] == (
        500,
        wrapped("requested version for signing is less than the minimum encryption key version"),
    )
    for wrong in (
        {"min_encryption_version": 9},
        {"min_decryption_version": 4},
        {"auto_rotate_period": 60},
        {"min_encryption_version": "x"},
    ):
        assert ask(vault, "POST", "transit/keys/k/config", wrong)[0] == 400
    assert ask(vault, "POST", "transit/keys/k/config", {"min_encryption_version": 0})[0] == 200
    assert ask(vault, "POST", "transit/sign/k", {"input": INPUT, "key_version": 1})[:2] == (500, wrapped("no such key version"))
    transit.update_key_configuration("k", min_encryption_version=3)
    with pytest.raises(hvac.exceptions.InvalidRequest):
        transit.trim_key("k", min_version=4)
    transit.trim_key("k", min_version=2)
    assert transit.read_key("k")["data"]["min_available_version"] == 2


def test_deleting_needs_permission_of_the_key_itself(vault: VaultEmulator) -> None:
    transit = sdk(vault).secrets.transit
    transit.create_key("k", key_type="ed25519")
    with pytest.raises(hvac.exceptions.InvalidRequest, match="deletion is not allowed for this key"):
        transit.delete_key("k")
    transit.update_key_configuration("k", deletion_allowed=True)
    transit.delete_key("k")
    with pytest.raises(hvac.exceptions.InvalidPath):
        transit.read_key("k")
    transit.create_key("k", key_type="ed25519")
    assert transit.read_key("k")["data"]["latest_version"] == 1


def test_softly_deleted_keys_are_shown_and_sign_nothing(bao: OpenBaoEmulator) -> None:
    bao.create_key("ES256", "k")
    assert ask(bao, "DELETE", "transit/keys/k/soft-delete")[0] == 204
    assert ask(bao, "GET", "transit/keys/k")[1]["data"]["soft_deleted"] is True
    assert ask(bao, "POST", "transit/sign/k", {"input": INPUT})[0] == 500
    assert ask(bao, "POST", "transit/keys/k/soft-delete-restore")[0] == 204
    assert ask(bao, "POST", "transit/sign/k", {"input": INPUT})[0] == 200


def test_verifying(vault: VaultEmulator) -> None:
    transit = sdk(vault).secrets.transit
    for algorithm, options in (
        ("ES256", {"marshaling_algorithm": "jws"}),
        ("ES384", {"hash_algorithm": "sha2-384"}),
        ("PS256", {"salt_length": "hash"}),
        ("RS512", {"signature_algorithm": "pkcs1v15", "hash_algorithm": "sha2-512"}),
        ("EdDSA", {}),
    ):
        vault.create_key(algorithm, algorithm)
        signature = transit.sign_data(algorithm, hash_input=INPUT, **options)["data"]["signature"]
        options.pop("salt_length", None)  # auto accepts any
        assert transit.verify_signed_data(algorithm, INPUT, signature=signature, **options)["data"] == {"valid": True}
        other = base64.b64encode(b"other").decode()
        assert transit.verify_signed_data(algorithm, other, signature=signature, **options)["data"] == {"valid": False}


def test_listing_and_mounting(vault: VaultEmulator) -> None:
    client = sdk(vault)
    client.sys.enable_secrets_engine("transit", path="team/kms")
    client.secrets.transit.create_key("b", key_type="ed25519", mount_point="team/kms")
    client.secrets.transit.create_key("a", key_type="ed25519", mount_point="team/kms")
    assert client.secrets.transit.list_keys(mount_point="team/kms")["data"]["keys"] == ["a", "b"]
    with pytest.raises(hvac.exceptions.InvalidPath, match="no handler for route"):
        client.secrets.transit.read_key("a", mount_point="kms")


@pytest.mark.parametrize("name", ["-k", "k.", ".k", "k%20k", "k%2Fk"])
def test_odd_names_are_unsupported_paths(vault: VaultEmulator, name: str) -> None:
    status, body, _ = ask(vault, "GET", f"transit/keys/{name}")
    assert (status, body) == (404, wrapped("unsupported path"))


# -- who may, and how it is ----------------------------------------------------------------------------------------------


def test_403_has_two_texts(vault: VaultEmulator) -> None:
    vault.create_key("ES256", "k")
    assert ask(vault, "POST", "transit/sign/k", {}, token="s.wrong")[:2] == (403, {"errors": ["permission denied"]})
    vault.deny("transit/sign/k")
    assert ask(vault, "POST", "transit/sign/k", {})[:2] == (403, wrapped("permission denied"))
    vault.allow("transit/sign/k")
    assert ask(vault, "POST", "transit/sign/k", {})[0] == 200


def test_bearer_is_a_token_too(vault: VaultEmulator) -> None:
    token = vault.auth.grant()
    assert ask(vault, "GET", "auth/token/lookup-self", token="", Authorization=f"Bearer {token}")[0] == 200


def test_sealed_beats_all(vault: VaultEmulator) -> None:
    vault.sealed = True
    for path in ("transit/sign/nope", "nowhere/at/all", "auth/approle/login"):
        assert ask(vault, "POST", path, {}, token="s.wrong")[:2] == (503, {"errors": ["Vault is sealed"]})
    assert ask(vault, "GET", "sys/health")[0] == 503
    with pytest.raises(hvac.exceptions.VaultDown):
        sdk(vault).secrets.transit.read_key("k")


def test_a_standby(vault: VaultEmulator) -> None:
    vault.create_key("ES256", "k")
    vault.standby = "http://10.0.0.9:8200"
    status, _, headers = ask(vault, "GET", "transit/keys/k?x=1")
    assert (status, headers["location"]) == (307, "http://10.0.0.9:8200/v1/transit/keys/k?x=1")
    assert ask(vault, "GET", "sys/health")[0] == 429
    vault.standby = ""
    told = {"errors": ["local node not active but active cluster node not found"]}
    assert ask(vault, "GET", "transit/keys/k")[:2] == (500, told)


def test_a_rate_limit_quota(vault: VaultEmulator) -> None:
    """No Retry-After by default."""
    vault.create_key("ES256", "k")
    vault.quota = 0
    status, body, headers = ask(vault, "POST", "transit/sign/k", {})
    assert (status, body) == (429, {"errors": ['request path "transit/sign/k": rate limit quota exceeded']})
    assert "retry-after" not in headers
    vault.retry_after = True
    assert ask(vault, "POST", "transit/sign/k", {})[2]["retry-after"] == "1"
    vault.quota = 5
    time.sleep(1.1)
    answers = [ask(vault, "GET", "transit/keys/k")[0] for _ in range(12)]
    assert answers[:5] == [200] * 5
    assert 429 in answers


def test_namespaces(bao: OpenBaoEmulator) -> None:
    key = bao.create_key("ES256", "k", namespace="admin/eu")
    assert key.version.startswith("admin/eu/transit/k/v1#")
    assert ask(bao, "GET", "transit/keys/k", X_Vault_Namespace="admin/eu")[0] == 200
    assert ask(bao, "GET", "transit/keys/k", X_Vault_Namespace="admin/eu/")[0] == 200
    assert ask(bao, "GET", "transit/keys/k", X_Bao_Namespace="admin/eu")[0] == 404, "ignored"
    assert ask(bao, "GET", "transit/keys/k", X_Vault_Namespace="no")[:2] == (404, {"errors": ["namespace not found"]})


def test_a_body_that_is_no_json(vault: VaultEmulator) -> None:
    vault.create_key("ES256", "k")
    for body in ([1], "x", 5):
        assert ask(vault, "POST", "transit/sign/k", body)[0] == 400


LOGINS = {
    "approle": lambda client: client.auth.approle.login(accepted.ROLE_ID, accepted.SECRET_ID),
    "userpass": lambda client: client.auth.userpass.login(accepted.USERNAME, accepted.PASSWORD),
    "jwt": lambda client: client.auth.jwt.jwt_login(accepted.ROLE, accepted.JWT),
    "kubernetes": lambda client: client.auth.kubernetes.login(accepted.ROLE, accepted.JWT),
}
WRONG = {
    "approle": lambda client: client.auth.approle.login(accepted.ROLE_ID, "x"),
    "userpass": lambda client: client.auth.userpass.login(accepted.USERNAME, "x"),
    "jwt": lambda client: client.auth.jwt.jwt_login(accepted.ROLE, "x"),
    "kubernetes": lambda client: client.auth.kubernetes.login(accepted.ROLE, "x"),
    "cert": lambda client: client.adapter.post("/v1/auth/cert/login", json={}),
}


@pytest.mark.parametrize("method", LOGINS)
def test_hvacs_own_logins(vault: VaultEmulator, method: str) -> None:
    client = hvac.Client(url=vault.url, token="")
    auth = LOGINS[method](client)["auth"]
    assert (auth["lease_duration"], auth["renewable"], auth["token_type"]) == (2764800, True, "service")
    assert client.token.startswith("s.")
    assert client.is_authenticated()
    assert client.auth.token.renew_self()["auth"]["client_token"] == client.token
    vault.auth.revoke(client.token)
    assert not client.is_authenticated()


@pytest.mark.parametrize("method", WRONG)
def test_a_login_that_fails_is_a_400_but_for_kubernetes(vault: VaultEmulator, method: str) -> None:
    kind = hvac.exceptions.Forbidden if method == "kubernetes" else hvac.exceptions.InvalidRequest
    with pytest.raises(kind):
        WRONG[method](hvac.Client(url=vault.url, token=""))
    assert not vault.auth.logins


def test_leases(vault: VaultEmulator) -> None:
    token = vault.auth.grant(seconds=60, most=90)
    assert ask(vault, "GET", "auth/token/lookup-self", token=token)[1]["data"]["ttl"] == pytest.approx(60, abs=2)
    vault.clock.advance(50)
    body = ask(vault, "POST", "auth/token/renew-self", {}, token=token)[1]
    assert body["auth"]["lease_duration"] == pytest.approx(40, abs=2), "its maximum comes first"
    assert "exceeded the effective max_ttl" in body["warnings"][0]
    vault.clock.advance(41)
    assert ask(vault, "GET", "auth/token/lookup-self", token=token)[0] == 403
    batch = vault.auth.grant(batch=True)
    assert batch.startswith("b.")
    assert ask(vault, "POST", "auth/token/renew-self", {}, token=batch)[0] == 400


# -- as an emulator ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("scheme", "variable"), [("hashivault", "VAULT"), ("openbao", "BAO")])
def test_each_scheme_has_its_own(scheme: str, variable: str) -> None:
    made = backend(scheme).emulator()
    assert made is not None
    assert made.scheme == scheme
    with type(made)(seed=7) as running:
        assert set(running.environment()) == {f"{variable}_ADDR", f"{variable}_TOKEN"}
        assert running.create_key("ES256").uri.startswith(f"{scheme}://")


def test_what_it_refuses_to_make(vault: VaultEmulator) -> None:
    for algorithm, bits in (("ES256K", 0), ("ML-DSA-44", 0), ("RS256", 1024)):
        with pytest.raises(AlgorithmNotSupported):
            vault.create_key(algorithm, bits=bits or 2048)
    with pytest.raises(TypeError, match="hsm"):
        vault.create_key("ES256", hsm=True)
    with pytest.raises(NotImplementedError):
        vault.move_alias("x", vault.create_key("ES256"))


@pytest.mark.parametrize("scheme", ["hashivault", "openbao"])
def test_on_the_command_line(scheme: str) -> None:
    """Any SDK can talk to it: here hvac, by the variables that it prints."""
    command = [sys.executable, "-m", "farsign", "emulate", scheme, "--key", "ES256:auth", "--fault", "throttle:sign:1", "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ})
    try:
        assert process.stdout
        told = json.loads("".join(iter(process.stdout.readline, "}\n")) + "}")
        assert told["keys"][0].startswith(f"{scheme}://auth?")
        address, token = (told["environment"][name] for name in sorted(told["environment"]))
        client = hvac.Client(url=address, token=token)
        with pytest.raises(hvac.exceptions.RateLimitExceeded):
            client.secrets.transit.sign_data("auth", hash_input=INPUT)
        digest = base64.b64encode(hashlib.sha256(MESSAGE).digest()).decode()
        reply = client.secrets.transit.sign_data("auth", hash_input=digest, prehashed=True, marshaling_algorithm="jws")
        raw = base64.urlsafe_b64decode(reply["data"]["signature"].removeprefix("vault:v1:") + "==")
        public: Any = load_pem_public_key(client.secrets.transit.read_key("auth")["data"]["keys"]["1"]["public_key"].encode())
        public.verify(raw_to_der(raw, "P-256"), MESSAGE, ec.ECDSA(hashes.SHA256()))
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(10)
        if process.stdout:
            process.stdout.close()
