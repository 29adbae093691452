"""Secrets in every form that libraries print them in; all must be hidden, and nothing else."""

import base64
import json
import string
import time
from urllib.parse import quote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lscube.redaction import redacted, unsigned

# What keys, tokens and passwords are made of; percent-encoded in addresses, as clients do.
SECRETS = st.text(
    string.ascii_letters + string.digits + "-_.~+/=%!$*", min_size=6, max_size=60
).map(lambda text: f"Zq{text}9")

FORMS = {
    "Azure": "https://a.blob.core.windows.net/c/b.tif?sv=2024&se=2026-11-26&sr=c&sp=rl&sig={quoted}",
    "Azure first": "GET /c/b.tif?sig={quoted}&sv=2024 HTTP/1.1",
    "AWS": "https://b.s3.amazonaws.com/k.tif?X-Amz-Algorithm=AWS4&X-Amz-Credential=AK%2F1&X-Amz-Signature={quoted}",
    "AWS token": "/vsicurl/https://b.s3.amazonaws.com/k?X-Amz-Security-Token={quoted}&X-Amz-Date=1",
    "Google": "https://storage.googleapis.com/b/k?X-Goog-Algorithm=G&X-Goog-Signature={quoted}",
    "Google, old": "https://storage.googleapis.com/b/k?GoogleAccessId=me&Expires=1&Signature={quoted}",
    "token": "https://host/collections?access_token={quoted}.",
    "fragment": "https://host/callback#access_token={quoted}&state=1",
    "login": "https://user:{quoted}@host/a.tif",
    "login alone": "s3://{quoted}@host/a.tif",
    "proxy": "ProxyError('Cannot connect', 'http://me:{quoted}@proxy:3128')",
    "database": "postgresql://me:{secret}@127.0.0.1:5432/pgstac",
    "bearer": "> Authorization: Bearer {secret}",
    "basic": "headers=<CIMultiDictProxy('Host': 'h', 'Authorization': 'Basic {base64}', 'Accept': '*/*')>",
    "AWS header": "Authorization: AWS4-HMAC-SHA256 Credential=A/1, SignedHeaders=host, Signature={secret}",
    "pairs": "[('authorization', 'Bearer {secret}'), ('accept', '*/*')]",
    "header": "{{'X-Amz-Security-Token': '{secret}', 'Accept': '*/*'}}",
    "subscription": "Ocp-Apim-Subscription-Key: {secret}",
    "cookie": "Set-Cookie: dask-gateway-1a={secret}; Path=/",
    "variable": "AWS_SECRET_ACCESS_KEY={secret} lscube predict",
    "exported": "export AZURE_STORAGE_SAS_TOKEN='{secret}'",
    "key": "PC_SDK_SUBSCRIPTION_KEY: {secret}",
    "JSON": '{{"aws_secret_access_key": "{secret}", "region": "x"}}',
    "JSON in JSON": '"{{\\"password\\": \\"{secret}\\"}}"',
    "keyword": "S3Store(bucket='b', secret_access_key='{secret}', region=None)",
    "connection": "AZURE_STORAGE_CONNECTION_STRING='AccountName=a;AccountKey={secret}'",
    "GDAL": "CPLSetConfigOption(AWS_SESSION_TOKEN, x) AWS_SESSION_TOKEN={secret}",
    "key block": "-----BEGIN RSA PRIVATE KEY-----\n{secret}\n-----END RSA PRIVATE KEY-----",
}  # fmt: skip


def said(form: str, secret: str) -> tuple[str, list[str]]:
    """A text with a secret, and how the secret stands in it."""
    quoted = quote(secret, safe="")
    encoded = base64.b64encode(f"me:{secret}".encode()).decode()
    text = FORMS[form].format(secret=secret, quoted=quoted, base64=encoded)
    return text, [one for one in (secret, quoted, encoded) if one in text]


@pytest.mark.parametrize("form", FORMS)
@settings(deadline=None)
@given(secret=SECRETS)
@example("Zq//+wJalrXUtnFEMI/K7MDENG/bPxRfiCY9")
@example("Zqa%2Fb==9")
def test_a_secret_is_hidden_in_every_form(form, secret):
    text, stands = said(form, secret)
    assert stands
    shown = redacted(f"reading {text} failed", {})
    assert not any(one in shown for one in stands)
    assert shown.startswith("reading ")
    assert redacted(shown, {}) == shown


@given(secret=SECRETS, before=st.text(max_size=20), after=st.text(max_size=20))
def test_values_of_variables_are_hidden_wherever_they_stand(secret, before, after):
    text = before + secret + after
    assert secret not in redacted(text, {"CDSE_SECRET": secret, "HOME": "/home/me"})


@pytest.mark.parametrize(
    "token",
    [
        "AKIAIOSFODNN7EXAMPLE",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N",
        "ghp_" + "a1B2" * 9,
        "hf_" + "a1B2" * 8,
        "ya29.a0AfH6SMBx",
    ],
)
def test_tokens_are_known_by_their_look(token):
    assert token not in redacted(f"said {token} twice: {token}.", {})


@pytest.mark.parametrize(
    "text",
    [
        "Region 3-14 is done region=3-14 attempt=1 seconds=3.2",
        "Connected to tcp://127.0.0.1:41235, dashboard http://127.0.0.1:8787/status",
        "https://host:8443/items?v=2&bbox=1,2,3,4 answers with 404",
        "/vsicurl/https://host:8443/a@2x.tif",
        "Dashboard: https://hub.example.org/services/dask-gateway/clusters/default.0123abcd/status",
        "Expected --set section.name=value, got 'x'; correct it.",
        "predict.core there is 16, here 0 (see `lscube settings`)",
        '{"gpu": true, "model.sha256": ["0123456789abcdef"], "key": "red"}',
        "a 224 x 224 window: 20,775,893 parameters at 50 % of 1e-4",
        "tls://10.0.0.1:8786 -> tls://10.0.0.2:8786",
        "",
    ],
)
def test_what_is_no_secret_stays(text):
    assert redacted(text, {"AWS_SHARED_CREDENTIALS_FILE": "/status", "HOST_TOKEN": "host"}) == text


@given(st.text(max_size=80))
def test_any_text_can_be_redacted_and_twice_is_once(text):
    once = redacted(text, {})
    assert redacted(once, {}) == once


@pytest.mark.parametrize(
    "part",
    [*("a", "token", "token.", "://b:c", '"', "\\", "password='", "?a=b&", "eyJaaaaaaaa-", "sig ")],
)
def test_long_texts_take_no_time(part):
    """A log line can be a whole graph; no form of it may hold a job up."""
    text = part * (200_000 // len(part))
    before = time.process_time()
    redacted(text, {})
    assert time.process_time() - before < 5


def test_an_address_stays_an_address():
    signed = "https://a.blob.core.windows.net/c/b.tif?v=2&sv=1&se=2&sr=c&sp=r&sig=abc"
    assert unsigned(signed) == redacted(signed, {}) == "https://a.blob.core.windows.net/c/b.tif?v=2"
    assert redacted("s3://me:word@host/a.zarr", {}) == "s3://host/a.zarr"


def test_json_stays_json():
    told = json.dumps({"password": 'quo"ted', "region": "eu", "token": "abc", "n": 1})
    assert json.loads(redacted(told, {}))["region"] == "eu"
