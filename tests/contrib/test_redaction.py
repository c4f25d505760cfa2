"""The filter on lines as SDKs print them, and on records as they come."""

from __future__ import annotations

import io
import json
import logging
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from farsign_contrib import redaction
from farsign_contrib.redaction import REDACTED, RedactingFilter, redact

SECRET = "c4n4ryc4n4ryc4n4ryc4n4ry"
SHORT = "c4n4ry"
NAMES = (
    "access_token", "refresh_token", "id_token", "client_token", "subject_token", "Token", "SessionToken", "WebIdentityToken",
    "X-Vault-Token", "x-amz-security-token", "aws_session_token", "X-aws-ec2-metadata-token", "client_secret", "clientSecret", "secret_id",
    "SecretAccessKey", "aws_secret_access_key", "client_assertion", "password", "jwt", "Authorization", "Set-Cookie", "private_key",
    "signature", "Digest", "sha256", "SHA-512", "hash_input",
)  # fmt: skip
WORDS = ("message", "Message", "value", "input", "data", "payload", "plaintext")
LITERALS = {
    "JSON": '{{"a": 1, "{0}": "{1}", "b": 2}}',
    "pretty JSON": '{{\n  "{0}" : "{1}"\n}}',
    "JSON in JSON": r'"{{\"{0}\": \"{1}\", \"b\": 2}}"',
    "repr": "{{'{0}': '{1}', 'b': 2}}",
    "repr of bytes": "{{'{0}': b'{1}', 'b': 2}}",
    "repr with an apostrophe": "{{'{0}': b\"it's {1}\", 'b': 2}}",
    "repr with an escaped apostrophe": r"""{{'{0}': 'it\'s "{1}', 'b': 2}}""",
    "list": "{{'{0}': ['a', b'{1}'], 'b': 2}}",
    "pretty list": '{{\n "{0}": [\n  "a",\n  "{1}"\n ]\n}}',
    "list of both quotes": """{{'{0}': ["it's", '{1}', "{1}"], 'b': 2}}""",
    "list in JSON in JSON": r'"{{\"{0}\": [\"a\", \"{1}\"], \"b\": 2}}"',
    "pretty JSON in JSON": r'"{{\n \"{0}\": [\n  \"a\",\n  \"{1}\"\n ]\n}}"',
    "JSON with a quote in a repr": r"""b'{{"{0}": "\\"\\", {1}", "b": 2}}'""",
    "JSON in JSON in JSON": r'"[\"{{\\\"{0}\\\": \\\"a\\\\\\\"{1}\\\"}}\"]"',
    "bytearray": "{{'{0}': bytearray(b'{1}'), 'b': 2}}",
    "dataclass": "Given({0}='{1}', b=2)",
    "in a dataclass": "Given({0}=Some(at=b'{1}'), b=2)",
    "octal escapes": '{0}: "\\335\\"\\003{1}\\n"',
    "cut off": "{{'{0}': b'{1}",
    "cut off in an escape": "{{'{0}': b'{1}\\",
}
PLAIN = {
    "tuple in a list": "[('{0}', '{1}'), ('b', '2')]",
    "form": "a=1&{0}={1}&b=2",
    "header": "POST / HTTP/1.1\r\n{0}: {1}\r\nb: 2",
    "header in a repr": r"send: b'POST / HTTP/1.1\r\n{0}: {1}\r\nb: 2'",
    "header of two": "('{0}', '{1}'), ('b', '2')",
    "raw header": "(b'{0}', b'{1}')",
    "ini": "{0} = {1}",
    "next line": "{0}:\n{1}\nb",
    "base64 before a quote": 'got "{0}={1}==" and "more"',
}
LINES = {
    "vault token": f"headers={{'X-Vault-Token': 'hvs.{SECRET}'}}",
    "openbao token": f"token s.{SECRET} given",
    "google token": f"token ya29.{SECRET} given",
    "azure bearer": f"Authorization: Bearer eyJ{SECRET}.eyJ{SECRET}.{SECRET}",
    "bearer of another kind": f"sent Bearer {SECRET}, got 401",
    "bearer with a speaking name": f"sent Bearer token-{SECRET}, got 401",
    "basic": f"Authorization: Basic {SECRET}==",
    "basic elsewhere": f"sent Basic {SECRET}==, got 401",
    "jwt": f"got eyJhbGciOiJ{SECRET}.eyJ{SECRET}.{SECRET}",
    "signing input": f"signs eyJhbGciOiJ{SECRET}.eyJ{SECRET}",
    "boto session token": f"'X-Amz-Security-Token': b'{SECRET}'",
    "boto signature": f"Authorization: AWS4-HMAC-SHA256 Credential=AKIA{SECRET}, SignedHeaders=host;x, Signature={SECRET}",
    "boto refusal": f"Invalid type for parameter Message, value: it's \"a\n {SECRET}, type: <class 'str'>, valid types: bytes",
    "boto message": f"{{'KeyId': 'alias/x', 'Message': b'{SECRET}', 'MessageType': 'RAW'}}",
    "azure digest": f'{{"alg": "ES256", "value": "{SECRET}"}}',
    "google digest": f'name: "k"\ndigest {{\n  sha256: "{SECRET}"\n}}\n',
    "google data": f'name: "k"\ndata: "{SECRET}"\n',
    "client secret": f"client_secret={SECRET}&grant_type=x",
    "secret access key": f"aws_secret_access_key = {SECRET}",
    "user-info": f"GET https://user:p@{SECRET}@host/path",
    "user-info, a token": f"GET https://{SECRET}@host/path",
    "SAS": f"GET https://host/path?sv=1&sig={SECRET}&se=2",
    "grpc metadata": f"_Metadatum(key='authorization', value='Basic {SECRET}')",
    "private key": f"-----BEGIN EC PRIVATE KEY-----\n{SECRET}\n-----END EC PRIVATE KEY-----",
}


@pytest.mark.parametrize("line", LINES.values(), ids=LINES)
def test_no_secret_is_left(line: str) -> None:
    assert SECRET not in redact(line)
    assert REDACTED in redact(line)
    assert redact(redact(line)) == redact(line)


@pytest.mark.parametrize("form", (LITERALS | PLAIN).values(), ids=LITERALS | PLAIN)
def test_a_telling_name(form: str) -> None:
    for name in NAMES:
        line = form.format(name, SHORT)
        assert SHORT not in redact(line), line
        assert name in redact(line), line
        assert redact(redact(line)) == redact(line)


@pytest.mark.parametrize("form", LITERALS.values(), ids=LITERALS)
def test_a_word_before_a_literal(form: str) -> None:
    for name in WORDS:
        assert SHORT not in redact(form.format(name, SHORT)), form.format(name, SHORT)


EXACT = (
    "JSON", "pretty JSON", "JSON in JSON", "repr", "repr of bytes", "form", "header", "header in a repr", "header of two", "raw header",
    "ini", "next line",
)  # fmt: skip


@pytest.mark.parametrize("form", EXACT)
def test_the_rest_stays(form: str) -> None:
    """Quotes too: JSON stays JSON."""
    text = (LITERALS | PLAIN)[form]
    assert redact(text.format("client_token", SHORT)) == text.format("client_token", REDACTED)


def test_hashes_by_their_length() -> None:
    for size in (64, 96, 128):
        assert redact(f"x {'0a' * (size // 2)} y") == f"x {REDACTED} y"
    assert redact("commit " + "0a" * 20) == "commit " + "0a" * 20


def test_ordinary_lines_stay_as_they_are() -> None:
    for line in (
        "GET /v1/transit/keys/auth 200 in 4 ms",
        "arn:aws:kms:eu-west-1:111122223333:key/1234",
        "b.py:10 s.x",
        "key changed, kid NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs signs instead of q-23falevZhhD3hm9CQbkP5MQyU5HKYjkxZsRGC9Xsw",
        "awskms eu-west-1: breaker open (unavailable)",
        "'WWW-Authenticate': 'Bearer authorization=\"https://login.microsoftonline.com/x\", resource=\"https://vault.azure.net\"'",
        'token_type=Bearer, max_tokens=5, spin=12, config=x, password=None, {\'token\': null, "secret": ""}',
        "the Bearer token expired",
        "message: the token, the password and the digest were refused",
        "ECDSA_SHA_256 with AWS4-HMAC-SHA256\nGET / HTTP/1.1",
        "X-Vault-Token:\nHost: vault.example.com",
        '{"data": {"keys": [1, 2]}, "value": 3, "key_ops": ["sign", "verify"]}',
        "https://vault.example.com/v1/auth?list=true see admin@example.com",
    ):
        assert redact(line) == line


WORST: dict[str, str] = {
    "names": "token:",
    "names without values": "token:,",
    "names in quotes": "token','",
    "names after escapes": '\\"token\\": ',
    "escapes": "token: \\\\\\\"x\\\"",
    "backslashes": "\\",
    "spaces": "token ",
    "blanks": " ",
    "lines": "token:\n\n\n",
    "letters": "a",
    "separators": "n:",
    "opened": 'message: "',
    "brackets": "token=a(a(a(a(",
    "lists": "'token': ['a', 'b':",
    "headers": "authorization: {",
    "JWTs": "-eyJ",
    "dots": ".eyJ",
    "tokens": "-s.aa",
    "URLs": "://a",
    "user-infos": "@a://",
    "refusals": "x for parameter a, value: ",
    "hex": "a0",
    "long names": f"{'a' * 64} ",
    "bearers": "Bearer ",
    "private keys": "-----BEGIN PRIVATE KEY-----",
}  # fmt: skip


@pytest.mark.parametrize("piece", WORST.values(), ids=WORST)
def test_time_is_linear(piece: str) -> None:
    """1 MB in a second of this process's, with five-fold slack (RULES 38); also behind what does not end."""
    for before, size in (("", 1_000_000), ("token: '", 100_000), ("://", 100_000)):
        line = before + piece * (size // len(piece))
        started = time.process_time()
        redact(line)
        assert time.process_time() - started < 5.0 * size / 1_000_000


class Output:
    """A handler with the filter, its stream, and what logging itself says to stderr."""

    def __init__(self) -> None:
        self.stream = io.StringIO()
        self.handler = logging.StreamHandler(self.stream)
        self.handler.addFilter(RedactingFilter())
        self.logger = logging.getLogger("some.sdk.deep")

    @property
    def text(self) -> str:
        return self.stream.getvalue()


@pytest.fixture
def output(capsys: pytest.CaptureFixture[str]) -> Iterator[Output]:
    made = Output()
    made.logger.addHandler(made.handler)
    made.logger.setLevel(logging.DEBUG)
    made.logger.propagate = False
    yield made
    made.logger.handlers.clear()
    made.logger.propagate = True
    assert SHORT not in made.text + "".join(capsys.readouterr())


def test_on_a_handler_it_covers_every_logger_and_tracebacks(output: Output) -> None:
    try:
        raise RuntimeError(f"sent {{'Message': b'{SECRET}'}}")
    except RuntimeError:
        output.logger.exception("token %s", f"hvs.{SECRET}")
    assert SECRET not in output.text
    assert "RuntimeError" in output.text


class Unprintable:
    def __str__(self) -> str:
        raise ValueError(SECRET)


class Wicked(dict[str, str]):
    def items(self) -> Any:
        raise RecursionError(SECRET)


@pytest.mark.parametrize(
    ("text", "args"),
    [
        ("%d lines", (SECRET,)),
        ("a line", (SECRET, SECRET)),
        ("%s %s %s", (SECRET,)),
        ("%(line)s", ({"other": SECRET},)),
        ("%s", (Unprintable(),)),
        ("%", (SECRET,)),
        (f"token={SECRET} %d", ("x",)),
        (Unprintable(), ()),
        (Unprintable(), (SECRET,)),
        ("%(line)s", (Wicked(line=SECRET),)),
    ],
)
def test_a_wrong_call_raises_nothing_and_says_nothing(output: Output, text: Any, args: tuple[object, ...]) -> None:
    output.logger.info(text, *args)
    assert "while it was read]" in output.text
    output.logger.info("goes on")
    assert output.text.endswith("goes on\n")


def test_near_the_end_of_the_stack(output: Output) -> None:
    """Nothing can be called any more there, so all goes."""
    (chosen,) = output.handler.filters
    texts = set()

    def deeper() -> None:
        record = logging.makeLogRecord({"msg": "token=%s", "args": (SECRET,), "more": f"pin={SECRET}"})
        try:
            deeper()
        finally:
            if len(texts) < 30:
                assert chosen.filter(record)  # type: ignore[union-attr]
                assert SECRET not in str(vars(record))
                texts.add(record.msg)

    with pytest.raises(RecursionError):
        deeper()
    assert {text[:10] for text in texts} == {"[redacted:", "token=[red"}


def test_whatever_fails_all_goes(output: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redaction, "_traceback", Unprintable().__str__)
    output.logger.info("token=%s", SHORT, extra={"more": SHORT}, stack_info=True)
    assert output.text == f"{REDACTED}\n"


@pytest.mark.parametrize("name", ["password", "Message", "access_token", "digest"])
def test_arguments_by_name(output: Output, name: str) -> None:
    output.logger.info(f"%({name})s was given", {name: SHORT})
    output.logger.info("%s and %s", {"a": [{name: SHORT.encode()}]}, ({name: bytearray(SHORT.encode())},))
    assert output.text.count(REDACTED) == 3


def test_what_holds_no_secret_stays_the_same_object(output: Output) -> None:
    """Other handlers, and formatters that read arguments and exceptions, find what they expect."""
    try:
        raise RuntimeError("refused")
    except RuntimeError:
        given: dict[str, Any] = {
            "msg": "%s %d",
            "args": ("a", 1),
            "exc_info": sys.exc_info(),
            "request": object(),
            "some": {"a": (1, [2])},
        }
    record = logging.makeLogRecord(given)
    output.handler.handle(record)
    assert all(vars(record)[name] is value for name, value in given.items())
    record = logging.makeLogRecord({"msg": {"event": "x", "token": SHORT}})
    output.handler.handle(record)
    assert record.msg == {"event": "x", "token": REDACTED}


def nested() -> dict[str, Any]:
    cyclic: dict[str, Any] = {"token": SHORT}
    return cyclic | {"again": cyclic, "more": [cyclic]}


class Opaque:
    def __repr__(self) -> str:
        return f"Opaque(digest=b'{SHORT}')"


EXTRAS: dict[str, Callable[[], Any]] = {
    "httpRequest": lambda: {"method": "POST", "headers": {"Authorization": f"Basic {SHORT}"}, "body": {"assertion": SHORT}},
    "request": lambda: {"payload": json.dumps({"name": "k", "digest": {"sha256": SHORT}}), "metadata": {"authorization": SHORT}},
    "metadata": lambda: [("x-goog-user-project", "p"), ("authorization", f"Basic {SHORT}"), (b"X-Vault-Token", SHORT.encode())],
    "token": lambda: {"value": [SHORT, 12], "of": {"deeper": SHORT.encode()}},
    "pin": lambda: SHORT,
    "data": lambda: ["a", SHORT],
    "note": lambda: f"https://user:{SHORT}@host",
    "raw": lambda: f"token={SHORT}".encode(),
    "thing": Opaque,
    "broken": Unprintable,
    "nested": nested,
    "payload": lambda: {"payload": SHORT},
    "gcp.errors.metadata.x": lambda: f"password={SHORT}",
    "error": lambda: ValueError(f"secret_id={SHORT}"),
}


@pytest.mark.parametrize("name", EXTRAS)
def test_what_extra_adds(output: Output, name: str) -> None:
    """As a formatter of JSON writes it."""
    output.handler.setFormatter(logging.Formatter())
    output.handler.format = lambda record: json.dumps({name: vars(record)[name]}, default=repr)  # type: ignore[method-assign]
    output.logger.info("sent", extra={name: EXTRAS[name]()})
    assert "[redacted" in output.text


def test_cycles_end(output: Output) -> None:
    cyclic: dict[str, Any] = {"token": SHORT}
    cyclic["again"] = cyclic
    record = logging.makeLogRecord({"msg": "x", "some": cyclic})
    output.handler.handle(record)
    assert SHORT not in str(vars(record)["some"])


def test_what_an_earlier_formatter_left(output: Output) -> None:
    """It keeps the text and the traceback in the record, where the next formatter takes them from."""
    earlier = logging.StreamHandler(io.StringIO())
    output.logger.handlers.insert(0, earlier)
    output.handler.setFormatter(logging.Formatter("%(message)s"))
    output.handler.formatter.usesTime = lambda: False  # type: ignore[union-attr,method-assign]
    try:
        raise RuntimeError(f"token={SHORT}")
    except RuntimeError:
        output.logger.info("token=%s", SHORT, exc_info=True, stack_info=True)
    record = logging.makeLogRecord(
        {"msg": "x", "message": f"token={SHORT}", "stack_info": f"token={SHORT}", "exc_text": f"pin={SHORT}"}
    )
    output.handler.filter(record)
    assert SHORT not in str(vars(record))
    assert SHORT in earlier.stream.getvalue()
    assert "RuntimeError" in output.text


def test_an_odd_exc_info(output: Output) -> None:
    output.handler.handle(logging.makeLogRecord({"msg": "x", "exc_info": True}))
    try:
        raise RuntimeError(Unprintable())
    except RuntimeError:
        output.logger.exception("x")
    assert "x\n" in output.text
