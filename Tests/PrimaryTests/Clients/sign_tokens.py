"""Signs tokens with libraries that are not ours: PyJWT where it agrees to, `cryptography` where it refuses.

Standard input: a JSON list of objects with `key` (a private key of Ed25519, 32 bytes in base64url) and
`claims`: an object, signed by PyJWT, or
`header` and `payload`: texts, signed as they are; with `secret` (a text) by HMAC-SHA256 instead.
Standard output: a JSON list of tokens.
"""

import base64
import hashlib
import hmac
import json
import sys

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def token(item):
    key = Ed25519PrivateKey.from_private_bytes(base64.urlsafe_b64decode(item["key"] + "="))
    if "claims" in item:
        return jwt.encode(item["claims"], key, algorithm="EdDSA", headers=item.get("headers"))
    signed = encode(item["header"].encode()) + "." + encode(item["payload"].encode("utf-8", "surrogateescape"))
    if "secret" in item:
        return signed + "." + encode(hmac.new(item["secret"].encode(), signed.encode(), hashlib.sha256).digest())
    return signed + "." + encode(key.sign(signed.encode()))


json.dump([token(item) for item in json.load(sys.stdin)], sys.stdout)
