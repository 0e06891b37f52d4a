"""Writes through Larder reach the origin, whole and checked, and are seen by the next read at once."""

import base64
import hashlib
import os
import zlib

import boto3
import pytest
import requests
from botocore.config import Config

from harness.larder import READER, READER_SECRET, WRITER, WRITER_SECRET
from harness.signing import chunk_signed_put, crc32c, trailer_put
from test_reads import error_of

PART = 5 << 20


@pytest.fixture
def writer(shared):
    return shared.client()


@pytest.fixture
def at_origin(origin):
    """What the origin holds under a key of `scratch`."""
    return lambda key: origin.client().get_object(Bucket="scratch", Key=key)["Body"].read()


@pytest.mark.parametrize("size", [0, 1, 70_000, 9_000_000])
def test_a_put_reaches_the_origin(writer, at_origin, origin, size):
    body = os.urandom(size)
    answer = writer.put_object(Bucket="scratch", Key=f"put/{size}", Body=body)
    assert at_origin(f"put/{size}") == body
    assert answer["ETag"] == origin.client().head_object(Bucket="scratch", Key=f"put/{size}")["ETag"]
    assert writer.get_object(Bucket="scratch", Key=f"put/{size}")["Body"].read() == body


def test_an_overwrite_is_seen_by_the_next_read(writer):
    for round_ in range(5):
        body = bytes([round_]) * 2_000_000
        writer.put_object(Bucket="scratch", Key="overwritten", Body=body)
        assert writer.get_object(Bucket="scratch", Key="overwritten")["Body"].read() == body
        assert writer.get_object(Bucket="scratch", Key="overwritten", Range="bytes=-5")["Body"].read() == body[-5:]


def test_put_keeps_content_type_and_user_metadata(writer, origin):
    writer.put_object(
        Bucket="scratch",
        Key="described",
        Body=b"x",
        ContentType="application/parquet",
        CacheControl="no-cache",
        Metadata={"written-by": "a test"},
    )
    for answer in (
        origin.client().head_object(Bucket="scratch", Key="described"),
        writer.head_object(Bucket="scratch", Key="described"),
    ):
        assert answer["ContentType"] == "application/parquet"
        assert answer["CacheControl"] == "no-cache"
        assert answer["Metadata"] == {"written-by": "a test"}


def test_put_if_none_match_creates_once(writer, at_origin):
    writer.put_object(Bucket="scratch", Key="once", Body=b"first", IfNoneMatch="*")
    assert error_of(writer.put_object, Bucket="scratch", Key="once", Body=b"second", IfNoneMatch="*") == (
        412,
        "PreconditionFailed",
    )
    assert at_origin("once") == b"first"


def test_a_long_body_that_may_not_be_written_is_refused_for_what_it_is(writer, at_origin):
    # The origin refuses before it has read such a body, and closes: which of the two is noticed first is a matter of luck.
    writer.put_object(Bucket="scratch", Key="taken", Body=b"first")
    for _ in range(20):
        refused = error_of(writer.put_object, Bucket="scratch", Key="taken", Body=bytes(PART), IfNoneMatch="*")
        assert refused == (412, "PreconditionFailed")
    assert at_origin("taken") == b"first"


CHECKSUMS = {
    "crc32": lambda body: zlib.crc32(body).to_bytes(4, "big"),
    "crc32c": lambda body: crc32c(body).to_bytes(4, "big"),
    "sha1": lambda body: hashlib.sha1(body).digest(),
    "sha256": lambda body: hashlib.sha256(body).digest(),
}


@pytest.mark.parametrize("algorithm", CHECKSUMS)
def test_a_body_with_its_checksum_is_taken_and_with_a_wrong_one_refused(writer, at_origin, algorithm):
    body = os.urandom(100_000)
    good = base64.b64encode(CHECKSUMS[algorithm](body)).decode()
    wrong = base64.b64encode(CHECKSUMS[algorithm](body + b"!")).decode()
    key, field = f"checked/{algorithm}", f"Checksum{algorithm.upper()}"
    writer.put_object(Bucket="scratch", Key=key, Body=body, **{field: good})
    assert at_origin(key) == body
    status, code = error_of(writer.put_object, Bucket="scratch", Key=key, Body=b"x" * 100_000, **{field: wrong})
    assert status == 400 and code in ("BadDigest", "InvalidRequest"), code
    assert at_origin(key) == body, "a refused body must not replace the object"


def test_a_wrong_content_md5_is_refused(writer):
    wrong = base64.b64encode(hashlib.md5(b"other").digest()).decode()
    assert error_of(writer.put_object, Bucket="scratch", Key="md5", Body=b"body", ContentMD5=wrong) == (400, "BadDigest")


@pytest.mark.parametrize("algorithm", ["CRC32", "SHA1", "SHA256"])
def test_a_body_in_chunks_with_its_checksum_in_the_trailer_is_taken(over_tls, at_origin, algorithm):
    """Over TLS boto3 sends `aws-chunked` bodies: unsigned, the checksum behind the last chunk."""
    body = os.urandom(2_500_000)
    client = over_tls.client(verify=False)
    sent = {}
    client.meta.events.register("before-send.s3.PutObject", lambda request, **_: sent.update(request.headers))
    client.put_object(Bucket="scratch", Key=f"trailer/{algorithm}", Body=Unseekable(body), ChecksumAlgorithm=algorithm)
    assert {name.lower(): value for name, value in sent.items()}["x-amz-content-sha256"] == b"STREAMING-UNSIGNED-PAYLOAD-TRAILER"
    assert at_origin(f"trailer/{algorithm}") == body


@pytest.mark.parametrize("algorithm", CHECKSUMS)
def test_a_checksum_in_the_trailer_is_checked(shared, at_origin, algorithm):
    body = os.urandom(100_000)
    url = f"{shared.endpoint}/scratch/plain-trailer-{algorithm}"
    good, wrong = (base64.b64encode(CHECKSUMS[algorithm](b)).decode() for b in (body, body + b"!"))
    answer = trailer_put(url, WRITER, WRITER_SECRET, body, algorithm, good)
    assert answer.status_code == 200, answer.text
    assert at_origin(f"plain-trailer-{algorithm}") == body
    answer = trailer_put(url, WRITER, WRITER_SECRET, b"other" * 1000, algorithm, wrong)
    assert answer.status_code == 400 and "BadDigest" in answer.text, answer.text
    assert at_origin(f"plain-trailer-{algorithm}") == body, "a refused body must not replace the object"


class Unseekable:
    """A body that can be read once, of known length."""

    def __init__(self, body: bytes):
        self.body, self.at = body, 0

    def __len__(self):
        return len(self.body)

    def tell(self):
        return self.at

    def seek(self, offset, whence=0):
        self.at = offset if whence == 0 else len(self.body) + offset
        return self.at

    def read(self, size=-1):
        end = len(self.body) if size is None or size < 0 else self.at + size
        piece = self.body[self.at : end]
        self.at += len(piece)
        return piece


def test_chunk_signed_bodies_are_taken_and_a_forged_chunk_is_refused(shared, at_origin):
    """Every chunk carries a signature that continues the one before it, as Hadoop's and Java's clients send them."""
    body = os.urandom(200_000)
    url = f"{shared.endpoint}/scratch/chunk-signed"
    answer = chunk_signed_put(url, WRITER, WRITER_SECRET, body)
    assert answer.status_code == 200, answer.text
    assert at_origin("chunk-signed") == body
    forged = chunk_signed_put(url, WRITER, WRITER_SECRET, os.urandom(200_000), forge=True)
    assert forged.status_code == 403 and "SignatureDoesNotMatch" in forged.text
    assert at_origin("chunk-signed") == body


def test_unsigned_payloads_are_taken_over_a_signed_header(shared, at_origin):
    config = Config(s3={"addressing_style": "path", "payload_signing_enabled": False})
    session = boto3.session.Session(WRITER, WRITER_SECRET, region_name="us-east-1")
    session.client("s3", endpoint_url=shared.endpoint, config=config).put_object(
        Bucket="scratch", Key="unsigned-payload", Body=b"body"
    )
    assert at_origin("unsigned-payload") == b"body"


def test_multipart_upload_from_create_to_complete(writer, at_origin):
    created = writer.create_multipart_upload(
        Bucket="scratch", Key="parts", ContentType="application/parquet", Metadata={"by": "parts"}
    )
    upload = {"Bucket": "scratch", "Key": "parts", "UploadId": created["UploadId"]}
    bodies = {1: os.urandom(PART), 2: os.urandom(PART), 3: os.urandom(123_456)}
    etags = {}
    for number in (2, 1, 3):
        etags[number] = writer.upload_part(**upload, PartNumber=number, Body=bodies[number])["ETag"]
    etags[3] = writer.upload_part(**upload, PartNumber=3, Body=bodies[3][::-1])["ETag"]  # the last upload of a part wins
    listed = writer.list_parts(**upload)
    assert [(part["PartNumber"], part["Size"]) for part in listed["Parts"]] == [(1, PART), (2, PART), (3, 123_456)]
    assert [part["ETag"] for part in listed["Parts"]] == [etags[1], etags[2], etags[3]]
    parts = [{"PartNumber": number, "ETag": etags[number]} for number in (1, 2, 3)]
    done = writer.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
    whole = bodies[1] + bodies[2] + bodies[3][::-1]
    assert at_origin("parts") == whole
    answer = writer.get_object(Bucket="scratch", Key="parts")
    assert answer["Body"].read() == whole
    assert answer["ETag"] == done["ETag"]
    assert answer["ContentType"] == "application/parquet" and answer["Metadata"] == {"by": "parts"}


def test_an_aborted_upload_leaves_nothing(writer):
    created = writer.create_multipart_upload(Bucket="scratch", Key="aborted")
    upload = {"Bucket": "scratch", "Key": "aborted", "UploadId": created["UploadId"]}
    writer.upload_part(**upload, PartNumber=1, Body=b"x")
    writer.abort_multipart_upload(**upload)
    assert error_of(writer.list_parts, **upload) == (404, "NoSuchUpload")
    assert error_of(writer.head_object, Bucket="scratch", Key="aborted")[0] == 404


def test_a_wrong_part_is_refused_at_completion(writer):
    created = writer.create_multipart_upload(Bucket="scratch", Key="wrong-part")
    upload = {"Bucket": "scratch", "Key": "wrong-part", "UploadId": created["UploadId"]}
    writer.upload_part(**upload, PartNumber=1, Body=b"x")
    parts = {"Parts": [{"PartNumber": 1, "ETag": '"0123456789abcdef0123456789abcdef"'}]}
    assert error_of(writer.complete_multipart_upload, **upload, MultipartUpload=parts) == (400, "InvalidPart")
    writer.abort_multipart_upload(**upload)


def test_boto3_uploads_and_downloads_large_files_in_parts(writer, tmp_path):
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(os.urandom(20 << 20))
    writer.upload_file(str(source), "scratch", "managed/large")
    writer.download_file("scratch", "managed/large", str(target))
    assert target.read_bytes() == source.read_bytes()


def test_copies_within_and_between_buckets(writer, shared, origin):
    body = os.urandom(100_000)
    writer.put_object(Bucket="scratch", Key="copy/source ü+", Body=body, Metadata={"kept": "yes"})
    writer.copy_object(Bucket="scratch", Key="copy/same", CopySource={"Bucket": "scratch", "Key": "copy/source ü+"})
    writer.copy_object(Bucket="warehouse", Key="copied/other", CopySource={"Bucket": "scratch", "Key": "copy/source ü+"})
    for bucket, key in (("scratch", "copy/same"), ("warehouse", "copied/other")):
        answer = writer.get_object(Bucket=bucket, Key=key)
        assert answer["Body"].read() == body
        assert answer["Metadata"] == {"kept": "yes"}
    assert origin.client().get_object(Bucket="raw", Key="hive/copied/other")["Body"].read() == body
    writer.put_object(Bucket="scratch", Key="copy/same", Body=b"newer")
    writer.copy_object(Bucket="scratch", Key="copy/same", CopySource="scratch/copy/source ü+")
    assert writer.get_object(Bucket="scratch", Key="copy/same")["Body"].read() == body, "a copy invalidates its target"
    absent = {"Bucket": "scratch", "Key": "copy/absent"}
    assert error_of(writer.copy_object, Bucket="scratch", Key="copy/x", CopySource=absent) == (404, "NoSuchKey")


def test_deletes_one_and_many(writer, at_origin):
    for number in range(5):
        writer.put_object(Bucket="scratch", Key=f"deleted/{number}", Body=b"x")
        writer.get_object(Bucket="scratch", Key=f"deleted/{number}")["Body"].read()
    writer.delete_object(Bucket="scratch", Key="deleted/0")
    assert error_of(writer.get_object, Bucket="scratch", Key="deleted/0") == (404, "NoSuchKey")
    writer.delete_object(Bucket="scratch", Key="deleted/0")  # deleting what is not there is no error
    objects = [{"Key": f"deleted/{number}"} for number in (1, 2, 9)]
    answer = writer.delete_objects(Bucket="scratch", Delete={"Objects": objects})
    assert {entry["Key"] for entry in answer["Deleted"]} == {"deleted/1", "deleted/2", "deleted/9"}
    assert "Errors" not in answer
    left = writer.list_objects_v2(Bucket="scratch", Prefix="deleted/")["Contents"]
    assert [entry["Key"] for entry in left] == ["deleted/3", "deleted/4"]
    quiet = {"Objects": [{"Key": "deleted/3"}], "Quiet": True}
    assert "Deleted" not in writer.delete_objects(Bucket="scratch", Delete=quiet)


def test_a_key_that_may_only_read_writes_nothing(shared, origin):
    reader = shared.client(READER, READER_SECRET)
    shared.client().put_object(Bucket="scratch", Key="guarded", Body=b"kept")
    denied = (403, "AccessDenied")
    source = {"Bucket": "scratch", "Key": "guarded"}
    assert error_of(reader.put_object, Bucket="scratch", Key="guarded", Body=b"x") == denied
    assert error_of(reader.delete_object, Bucket="scratch", Key="guarded") == denied
    assert error_of(reader.copy_object, Bucket="scratch", Key="guarded2", CopySource=source) == denied
    assert error_of(reader.create_multipart_upload, Bucket="scratch", Key="guarded") == denied
    delete = {"Objects": [{"Key": "guarded"}]}
    assert error_of(reader.delete_objects, Bucket="scratch", Delete=delete) == denied
    assert origin.client().get_object(Bucket="scratch", Key="guarded")["Body"].read() == b"kept"


def test_a_broken_upload_leaves_the_old_object(shared, at_origin):
    """The client promises more than it sends, and hangs up."""
    import socket

    writer = shared.client()
    writer.put_object(Bucket="scratch", Key="broken-upload", Body=b"old")
    url = writer.generate_presigned_url("put_object", Params={"Bucket": "scratch", "Key": "broken-upload"})
    path = url.removeprefix(shared.endpoint)
    with socket.create_connection(("127.0.0.1", shared.s3_port)) as connection:
        head = f"PUT {path} HTTP/1.1\r\nHost: 127.0.0.1:{shared.s3_port}\r\nContent-Length: 100000\r\n\r\n"
        connection.sendall(head.encode() + b"y" * 500)
    assert requests.get(f"{shared.admin}/healthz", timeout=10).ok
    assert at_origin("broken-upload") == b"old"
