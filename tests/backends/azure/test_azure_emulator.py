"""The emulated vault as azure-keyvault-keys sees it, and byte for byte where an independent server's answers are on record."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.core.rest import HttpRequest
from azure.keyvault.keys import KeyClient, KeyCurveName, KeyOperation, KeyType
from azure.keyvault.keys.crypto import CryptographyClient, SignatureAlgorithm
from driving import MESSAGE, verify
from keyvault import StaticCredential, sdk

from farsign._base.encodings import b64url_encode
from farsign.driver import spki_from_jwk
from farsign.errors import AlgorithmNotSupported
from farsign_azure._emulator import HOST, AzureEmulator
from farsign_azure._transport import Transport

ALGORITHMS = [f"{scheme}{bits}" for scheme in ("RS", "PS", "ES") for bits in (256, 384, 512)] + ["ES256K"]
CURVES = {"ES256": KeyCurveName.p_256, "ES384": KeyCurveName.p_384, "ES512": KeyCurveName.p_521, "ES256K": KeyCurveName.p_256_k}


@pytest.fixture
def client(azure: AzureEmulator) -> Iterator[KeyClient]:
    with sdk(azure) as opened:
        yield opened


def crypto(azure: AzureEmulator, key: str) -> CryptographyClient:
    assert azure.certificate
    options = {"retry_total": 0, "transport": Transport(azure.url, azure.certificate.ca_file)}
    return CryptographyClient(key, StaticCredential(azure.tokens.grant), **options)


def digest(algorithm: str) -> bytes:
    return hashlib.new(f"sha{algorithm[2:5]}", MESSAGE).digest()


def spki(key: Any) -> bytes:
    """Of a KeyVaultKey."""
    kty, curve = KeyType(key.key.kty).value.removesuffix("-HSM"), KeyCurveName(key.key.crv).value if key.key.crv else ""
    members = {"n": key.key.n, "e": key.key.e} if kty == "RSA" else {"x": key.key.x, "y": key.key.y}
    return spki_from_jwk(members, kty=kty, crv={"P-256K": "secp256k1"}.get(curve, curve))


# -- who may ask ---------------------------------------------------------------------------------------------------------------


def raw(azure: AzureEmulator, path: str, **headers: str) -> requests.Response:
    assert azure.certificate
    return requests.get(azure.url + path, headers={"Host": HOST, **headers}, verify=azure.certificate.ca_file, timeout=10)


@pytest.mark.parametrize(
    ("host", "resource"),
    [
        ("v-1.vault.azure.net", "https://vault.azure.net"),
        ("v-1.vault.usgovcloudapi.net", "https://vault.usgovcloudapi.net"),
        ("h-1.managedhsm.azure.net", "https://managedhsm.azure.net"),
        ("127.0.0.1:1234", "https://vault.azure.net"),
    ],
)
def test_the_challenge(azure: AzureEmulator, host: str, resource: str) -> None:
    """SERVERS 2: status, header and body; nothing is said about whether the key exists."""
    reply = raw(azure, "/keys/nope?api-version=7.4", Host=host)
    assert reply.status_code == 401
    assert reply.headers["WWW-Authenticate"] == (
        f'Bearer authorization="https://login.microsoftonline.com/00000000-feed-4000-8000-000000000000", resource="{resource}"'
    )
    assert reply.content == b'{"error":{"code":"Unauthorized","message":"AKV10000: Request is missing a Bearer or PoP token."}}'
    assert reply.headers["x-ms-request-id"]


@pytest.mark.parametrize(
    ("token", "told"),
    [
        ("Bearer nonsense", "AKV10046: Unable to resolve the key used for signature validation."),
        ("Basic nonsense", "AKV10000: Request is missing a Bearer or PoP token."),
        ("Bearer", "AKV10000: Request is missing a Bearer or PoP token."),
    ],
)
def test_tokens_that_are_none(azure: AzureEmulator, token: str, told: str) -> None:
    reply = raw(azure, "/keys/nope?api-version=7.4", Authorization=token)
    assert (reply.status_code, reply.json()["error"]["message"]) == (401, told)


def test_a_token_ends_and_is_for_one_audience(azure: AzureEmulator) -> None:
    token = azure.tokens.grant(seconds=60)
    assert raw(azure, "/keys/x?api-version=7.4", Authorization=f"Bearer {token}").status_code == 404
    other = raw(azure, "/keys/x?api-version=7.4", Authorization=f"Bearer {token}", Host="h-1.managedhsm.azure.net")
    assert other.json()["error"]["message"] == (
        "AKV10022: Invalid audience. Expected https://managedhsm.azure.net, found: https://vault.azure.net."
    )
    azure.clock.advance(61)
    assert raw(azure, "/keys/x?api-version=7.4", Authorization=f"Bearer {token}").status_code == 401


@pytest.mark.parametrize("query", ["", "?api-version=", "?api-version=9.9"])
def test_api_versions_are_checked(azure: AzureEmulator, query: str) -> None:
    azure.create_key("ES256", "auth")
    reply = raw(azure, f"/keys/auth{query}", Authorization=f"Bearer {azure.tokens.grant()}")
    assert (reply.status_code, reply.json()["error"]["code"]) == (400, "BadParameter")
    assert raw(azure, "/keys/auth?api-version=2016-10-01", Authorization=f"Bearer {azure.tokens.grant()}").status_code == 200


def test_any_sdk_by_the_environment_alone(azure: AzureEmulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `farsign emulate azurekms` prints is enough; only the check of the resource is off, for the address is no vault's name."""
    from azure.identity import EnvironmentCredential

    key = azure.create_key("ES256", "auth")
    for name, value in azure.environment().items():
        monkeypatch.setenv(name, value)
    credential = EnvironmentCredential(disable_instance_discovery=True)
    url = azure.environment()["VAULT_URL"]
    with KeyClient(url, credential, verify_challenge_resource=False) as client:
        found = client.get_key("auth")
        assert found.id == f"{url}/keys/auth/{key.version_id}"
        with CryptographyClient(found, credential, verify_challenge_resource=False) as signing:
            signature = signing.sign(SignatureAlgorithm.es256, digest("ES256")).signature
    verify(key.public_key, "ES256", signature)


# -- keys ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("hsm", [False, True])
def test_keys_that_the_sdk_makes_sign_and_verify(azure: AzureEmulator, client: KeyClient, algorithm: str, hsm: bool) -> None:
    if algorithm in CURVES:
        key = client.create_ec_key("auth", curve=CURVES[algorithm], hardware_protected=hsm)
        assert key.key_operations == ["sign", "verify"]
    else:
        key = client.create_rsa_key("auth", size=2048, hardware_protected=hsm)
        assert "sign" in key.key_operations
    assert key.key_type == ("EC" if algorithm in CURVES else "RSA") + ("-HSM" if hsm else "")
    assert client.get_key("auth").id == client.get_key("auth", key.properties.version).id == key.id
    with crypto(azure, key.id) as signing:
        result = signing.sign(SignatureAlgorithm(algorithm), digest(algorithm))
        verify(spki(key), algorithm, result.signature)
    body = {"alg": algorithm, "digest": b64url_encode(digest(algorithm)), "value": b64url_encode(result.signature)}
    assert ask(client, "POST", f"{path_of(key)}/verify", body) == {"value": True}
    assert ask(client, "POST", f"{path_of(key)}/verify", {**body, "digest": b64url_encode(bytes(len(digest(algorithm))))}) == {
        "value": False
    }


def path_of(key: Any) -> str:
    return str(key.id).partition(HOST)[2]


def ask(client: KeyClient, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """Raises HttpResponseError."""
    reply = client.send_request(HttpRequest(method, path, json=body))
    reply.raise_for_status()
    found: dict[str, Any] = reply.json()
    return found


@pytest.mark.parametrize("size", [2048, 3072, 4096])
def test_rsa_sizes(client: KeyClient, size: int) -> None:
    assert len(client.create_rsa_key("auth", size=size).key.n) == size // 8


@pytest.mark.parametrize(
    "make",
    [
        lambda client: client.create_rsa_key("auth", size=1024),
        lambda client: client.create_key("auth", KeyType.oct),
        lambda client: client.create_key("auth", "OKP", curve="Ed25519"),
        lambda client: client.create_ec_key("a_b"),
    ],
)
def test_keys_that_there_are_not(client: KeyClient, make: Callable[[KeyClient], Any]) -> None:
    with pytest.raises(HttpResponseError) as caught:
        make(client)
    assert (caught.value.status_code, caught.value.error.code) == (400, "BadParameter")


@pytest.mark.parametrize("algorithm", ["EdDSA", "Ed25519", "ML-DSA-65"])
def test_algorithms_that_key_vault_has_not(azure: AzureEmulator, algorithm: str) -> None:
    with pytest.raises(AlgorithmNotSupported, match="Key Vault has no keys for"):
        azure.create_key(algorithm)
    with pytest.raises(AlgorithmNotSupported, match="of 1024 bits"):
        azure.create_key("RS256", bits=1024)
    with pytest.raises(TypeError, match="no option colour"):
        azure.create_key("ES256", colour="red")


def test_rotation_makes_versions(azure: AzureEmulator, client: KeyClient) -> None:
    first = client.create_ec_key("auth", curve=KeyCurveName.p_384)
    second = client.rotate_key("auth")
    assert second.properties.version != first.properties.version
    assert (second.key_type, second.key.crv) == (first.key_type, first.key.crv)
    assert spki(second) != spki(first)
    assert client.get_key("auth").id == second.id
    assert client.get_key("auth", first.properties.version).id == first.id
    assert azure.keys.keys["auth"].newest.id == second.properties.version


def test_listing_pages(azure: AzureEmulator, client: KeyClient) -> None:
    """25 at most; the next page's address spells the port out, and has https, or the SDK would refuse it."""
    key = azure.create_key("ES256", "auth")
    for _ in range(60):
        azure.rotate(key)
    listed = list(client.list_properties_of_key_versions("auth"))
    assert len({each.id for each in listed}) == 61
    assert azure.calls("list") == 3
    page = ask(client, "GET", "/keys/auth/versions")
    assert len(page["value"]) == 25
    assert page["nextLink"].startswith(f"https://{HOST}:443/keys/auth/versions?api-version=")
    assert len(ask(client, "GET", "/keys/auth/versions?maxresults=3")["value"]) == 3
    with pytest.raises(HttpResponseError):
        ask(client, "GET", "/keys/auth/versions?maxresults=26")


def test_attributes_are_kept_and_changed(client: KeyClient) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    key = client.create_ec_key(
        "auth", enabled=True, not_before=now - timedelta(days=1), expires_on=now + timedelta(days=1), tags={"team": "auth"}
    )
    assert (key.properties.not_before, key.properties.expires_on) == (now - timedelta(days=1), now + timedelta(days=1))
    assert key.properties.tags == {"team": "auth"}
    assert abs((key.properties.created_on - now).total_seconds()) < 60
    changed = client.update_key_properties(
        "auth", expires_on=now + timedelta(days=9), key_operations=[KeyOperation.verify], tags={"team": "sign"}
    )
    assert changed.properties.expires_on == now + timedelta(days=9)
    assert changed.key_operations == ["verify"]
    assert changed.properties.tags == {"team": "sign"}
    assert client.update_key_properties("auth", enabled=False).properties.enabled is False


def test_soft_deletion(client: KeyClient) -> None:
    key = client.create_ec_key("auth")
    gone = client.begin_delete_key("auth").result()
    assert gone.id == key.id
    assert gone.scheduled_purge_date - gone.deleted_date == timedelta(days=90)
    with pytest.raises(ResourceNotFoundError):
        client.get_key("auth")
    with pytest.raises(ResourceExistsError) as caught:
        client.create_ec_key("auth")
    assert caught.value.status_code == 409
    assert "Key is currently in a deleted but recoverable state" in str(caught.value)
    assert client.get_deleted_key("auth").id == key.id
    assert client.begin_recover_deleted_key("auth").result().id == key.id
    assert client.get_key("auth").id == key.id
    client.begin_delete_key("auth").wait()
    client.purge_deleted_key("auth")
    with pytest.raises(ResourceNotFoundError):
        client.get_deleted_key("auth")
    assert client.create_ec_key("auth").id != key.id


# -- no ------------------------------------------------------------------------------------------------------------------------


def refused(call: Callable[[], Any]) -> tuple[int, str, str]:
    with pytest.raises(HttpResponseError) as caught:
        call()
    assert caught.value.response is not None
    error = json.loads(caught.value.response.text())["error"]
    return caught.value.status_code or 0, error["code"], error["message"]


def test_texts_of_refusals(azure: AzureEmulator, client: KeyClient) -> None:
    """SERVERS 2, word for word."""
    now = azure.clock.time()

    def sign(key: Any) -> Callable[[], Any]:
        return lambda: ask(
            client, "POST", f"/keys/{key.name}/{key.version_id}/sign", {"alg": "ES256", "value": b64url_encode(digest("ES256"))}
        )

    disabled = azure.create_key("ES256", enabled=False)
    told = (403, "Forbidden", "Operation is not allowed on a disabled key.")
    assert refused(sign(disabled)) == told
    assert refused(lambda: client.get_key(disabled.name)) == told
    expired = azure.create_key("ES256", exp=now - 1)
    assert refused(sign(expired)) == (403, "Forbidden", "Operation is not allowed on an expired key.")
    assert client.get_key(expired.name).name == expired.name
    early = azure.create_key("ES256", nbf=now + 60)
    assert refused(sign(early)) == (403, "Forbidden", "Operation is not allowed on a key that is not yet valid.")
    unfit = azure.create_key("ES256", ops=["verify"])
    assert refused(sign(unfit)) == (403, "Forbidden", "Operation sign is not permitted on this key.")
    key = azure.create_key("ES256")
    azure.deny("keys/sign")
    assert refused(sign(key)) == (403, "Forbidden", "The principal is not permitted to perform keys/sign on this vault.")
    azure.allow("keys/sign")
    missing = (404, "KeyNotFound", "A key with (name/id) nope was not found in this key vault.")
    assert refused(lambda: client.get_key("nope")) == missing
    assert refused(lambda: client.get_key(key.name, "0" * 32))[:2] == missing[:2]
    azure.clock.advance(61)
    assert ask(
        client, "POST", f"/keys/{early.name}/{early.version_id}/sign", {"alg": "ES256", "value": b64url_encode(digest("ES256"))}
    )


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"alg": "ES256"},
        {"alg": "RS256", "value": "A" * 43},
        {"alg": "ES384", "value": "A" * 64},
        {"alg": "EdDSA", "value": "A" * 43},
        {"alg": "HS256", "value": "A" * 43},
        {"alg": "ES256", "value": "A" * 42},
        {"alg": "ES256", "value": "A" * 43 + "="},
        {"alg": "ES256", "value": "+" + "A" * 42},
        {"alg": "ES256", "value": 7},
    ],
)
def test_requests_that_mean_nothing(azure: AzureEmulator, client: KeyClient, body: dict[str, Any]) -> None:
    key = azure.create_key("ES256")
    status, code, _ = refused(lambda: ask(client, "POST", f"/keys/{key.name}/{key.version_id}/sign", body))
    assert (status, code) == (400, "BadParameter")


@pytest.mark.parametrize(
    ("member", "value"),
    [("exp", "soon"), ("nbf", []), ("enabled", 1), ("attributes", 5), ("key_ops", 7), ("tags", "x"), ("crv", [])],
)
def test_members_of_a_wrong_type(azure: AzureEmulator, client: KeyClient, member: str, value: Any) -> None:
    azure.create_key("ES256", "auth")
    body = {"attributes": {member: value}} if member in ("exp", "nbf", "enabled") else {member: value}
    create = ("POST", "/keys/new/create", {"kty": "EC", **body})
    requests = [create] if member == "crv" else [create, ("PATCH", "/keys/auth", body)]
    for method, path, sent in requests:
        assert refused(lambda method=method, path=path, sent=sent: ask(client, method, path, sent))[:2] == (400, "BadParameter")
    assert client.get_key("auth").name == "auth"


def test_null_is_absent(azure: AzureEmulator, client: KeyClient) -> None:
    azure.create_key("ES256", "auth")
    ask(client, "PATCH", "/keys/auth", {"attributes": {"exp": None, "enabled": None}, "tags": None})
    assert client.get_key("auth").properties.expires_on is None


def test_paths_that_there_are_not(client: KeyClient) -> None:
    for method, path in (("GET", "/secrets/x"), ("POST", "/keys/x/y/wrapkey"), ("PUT", "/keys/x"), ("GET", "/")):
        with pytest.raises(HttpResponseError) as caught:
            ask(client, method, path)
        assert caught.value.status_code == 404


def test_the_sdk_rides_out_what_it_is_told_to(azure: AzureEmulator) -> None:
    """Its own retries, which farsign turns off: 429 with Retry-After yes, without it no (for a POST)."""
    key = azure.create_key("ES256", "auth")
    with sdk(azure, retry_total=3) as client:
        azure.faults.throttle("sign", times=2, retry_after=0.0)
        path, body = f"/keys/auth/{key.version_id}/sign", {"alg": "ES256", "value": b64url_encode(digest("ES256"))}
        ask(client, "POST", path, body)
        assert azure.calls("sign") == 3
        azure.faults.throttle("sign", times=1)
        status, code, _ = refused(lambda: ask(client, "POST", path, body))
        assert (status, code) == (429, "Throttled")
        assert azure.calls("sign") == 4


def test_a_sign_only_principal_cannot_tell_which_version_signed(azure: AzureEmulator, client: KeyClient) -> None:
    """SERVERS 2: the reply names the version, the SDK's result does not. So farsign reads the reply."""
    key = azure.create_key("ES256", "auth")
    azure.deny("keys/get")
    with crypto(azure, f"https://{HOST}/keys/auth") as signing:
        assert signing.sign(SignatureAlgorithm.es256, digest("ES256")).key_id == f"https://{HOST}/keys/auth"
    reply = ask(client, "POST", "/keys/auth//sign", {"alg": "ES256", "value": b64url_encode(digest("ES256"))})
    assert reply["kid"] == key.version


def test_wrong_client_secrets_are_refused(azure: AzureEmulator) -> None:
    from azure.identity import ClientSecretCredential

    assert azure.certificate
    env = azure.environment()
    options = {"authority": azure.url, "disable_instance_discovery": True, "connection_verify": azure.certificate.ca_file}
    with pytest.raises(ClientAuthenticationError, match="AADSTS7000215"):
        ClientSecretCredential(env["AZURE_TENANT_ID"], env["AZURE_CLIENT_ID"], "wrong", **options).get_token(
            "https://vault.azure.net/.default"
        )
