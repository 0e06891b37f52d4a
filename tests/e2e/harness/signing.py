"""SigV4 by hand, for what the Python clients do not send: bodies whose every chunk is signed, checksums in the trailer
over plain HTTP, and requests that are well signed and otherwise wrong."""

import datetime
import hashlib
import hmac
from urllib.parse import urlsplit

import requests

REGION = "us-east-1"
EMPTY = hashlib.sha256(b"").hexdigest()


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


class Signer:
    """Signs one request, and then its chunks, as `key`. The URL's path and query must be escaped and sorted already."""

    def __init__(self, key: str, secret: str, at: datetime.datetime | None = None):
        self.key = key
        self.time = (at or datetime.datetime.now(datetime.UTC)).strftime("%Y%m%dT%H%M%SZ")
        self.scope = f"{self.time[:8]}/{REGION}/s3/aws4_request"
        self.signing_key = f"AWS4{secret}".encode()
        for step in self.scope.split("/"):
            self.signing_key = _hmac(self.signing_key, step)
        self.signature = ""

    def _sign(self, kind: str, *lines: str) -> str:
        self.signature = _hmac(self.signing_key, "\n".join([kind, self.time, self.scope, *lines])).hex()
        return self.signature

    def headers(self, method: str, url: str, payload: str, headers: dict[str, str]) -> dict[str, str]:
        """`headers` and those that sign them; `payload` is the body's hash, or the word that stands for one."""
        parts = urlsplit(url)
        headers = headers | {"host": parts.netloc, "x-amz-content-sha256": payload, "x-amz-date": self.time}
        names = ";".join(sorted(headers))
        lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
        request = f"{method}\n{parts.path}\n{parts.query}\n{lines}\n{names}\n{payload}"
        signature = self._sign("AWS4-HMAC-SHA256", hashlib.sha256(request.encode()).hexdigest())
        credential = f"Credential={self.key}/{self.scope}, SignedHeaders={names}, Signature={signature}"
        return headers | {"authorization": f"AWS4-HMAC-SHA256 {credential}"}

    def chunk(self, piece: bytes) -> str:
        """The signature of the next chunk, which continues the one before it."""
        before = self.signature
        return self._sign("AWS4-HMAC-SHA256-PAYLOAD", before, EMPTY, hashlib.sha256(piece).hexdigest())


def signed(
    method: str, url: str, key: str, secret: str, body: bytes = b"", at: datetime.datetime | None = None
) -> requests.Response:
    """A request with its body's hash signed, perhaps of another time than now."""
    headers = Signer(key, secret, at).headers(method, url, hashlib.sha256(body).hexdigest(), {})
    return requests.request(method, url, data=body, headers=headers, timeout=30)


def chunk_signed_put(
    url: str, key: str, secret: str, body: bytes, chunk: int = 65_536, forge: bool = False
) -> requests.Response:
    """PUT with `STREAMING-AWS4-HMAC-SHA256-PAYLOAD`; `forge` breaks the signature of the second chunk."""
    signer = Signer(key, secret)
    headers = signer.headers(
        "PUT",
        url,
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        {"content-encoding": "aws-chunked", "x-amz-decoded-content-length": str(len(body))},
    )
    encoded = b""
    for number, piece in enumerate([body[at : at + chunk] for at in range(0, len(body), chunk)] + [b""]):
        signature = signer.chunk(piece)
        shown = signature[::-1] if forge and number == 1 else signature
        encoded += f"{len(piece):x};chunk-signature={shown}\r\n".encode() + piece + b"\r\n"
    return requests.put(url, data=encoded, headers=headers, timeout=30)


def trailer_put(
    url: str, key: str, secret: str, body: bytes, algorithm: str, checksum: str, chunk: int = 65_536
) -> requests.Response:
    """PUT with `STREAMING-UNSIGNED-PAYLOAD-TRAILER`: the checksum, in base64, follows the last chunk."""
    headers = Signer(key, secret).headers(
        "PUT",
        url,
        "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        {
            "content-encoding": "aws-chunked",
            "x-amz-decoded-content-length": str(len(body)),
            "x-amz-trailer": f"x-amz-checksum-{algorithm}",
        },
    )
    encoded = b""
    for at in range(0, len(body), chunk):
        piece = body[at : at + chunk]
        encoded += f"{len(piece):x}\r\n".encode() + piece + b"\r\n"
    encoded += f"0\r\nx-amz-checksum-{algorithm}:{checksum}\r\n\r\n".encode()
    return requests.put(url, data=encoded, headers=headers, timeout=30)


def crc32c(body: bytes) -> int:
    """CRC-32C (Castagnoli), which Python's library does not have; slow, so for small bodies."""
    crc = 0xFFFFFFFF
    for byte in body:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF
