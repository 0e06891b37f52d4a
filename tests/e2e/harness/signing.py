"""SigV4 by hand, for the one form that no Python client sends: a body whose every chunk is signed."""

import datetime
import hashlib
import hmac
from urllib.parse import urlsplit

import requests

EMPTY = hashlib.sha256(b"").hexdigest()


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def chunk_signed_put(
    url: str, key: str, secret: str, body: bytes, chunk: int = 65_536, forge: bool = False
) -> requests.Response:
    """PUT with `STREAMING-AWS4-HMAC-SHA256-PAYLOAD`; `forge` breaks the signature of the second chunk."""
    parts = urlsplit(url)
    now = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%SZ")
    scope = f"{now[:8]}/us-east-1/s3/aws4_request"
    headers = {
        "content-encoding": "aws-chunked",
        "host": parts.netloc,
        "x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        "x-amz-date": now,
        "x-amz-decoded-content-length": str(len(body)),
    }
    names = ";".join(headers)
    lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
    request = f"PUT\n{parts.path}\n\n{lines}\n{names}\n{headers['x-amz-content-sha256']}"
    signing = f"AWS4{secret}".encode()
    for step in scope.split("/"):
        signing = _hmac(signing, step)

    def sign(text: str) -> str:
        return _hmac(signing, text).hex()

    signature = sign(f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}")
    headers["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={key}/{scope}, SignedHeaders={names}, Signature={signature}"
    )
    encoded = b""
    pieces = [body[at : at + chunk] for at in range(0, len(body), chunk)] + [b""]
    for number, piece in enumerate(pieces):
        digest = hashlib.sha256(piece).hexdigest()
        signature = sign(f"AWS4-HMAC-SHA256-PAYLOAD\n{now}\n{scope}\n{signature}\n{EMPTY}\n{digest}")
        shown = signature[::-1] if forge and number == 1 else signature
        encoded += f"{len(piece):x};chunk-signature={shown}\r\n".encode() + piece + b"\r\n"
    return requests.put(url, data=encoded, headers=headers, timeout=30)
