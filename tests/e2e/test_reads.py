"""GetObject and HeadObject as S3 has them: ranges, conditions, parts, overrides, presigned URLs, both styles of address."""

import datetime
import os
import time

import pytest
import requests
from botocore.exceptions import ClientError

from harness.larder import READER, READER_SECRET
from harness.origin import s3_client

SIZE = 3_500_000
KEY = "reads/object.bin"


def error_of(call, **arguments) -> tuple[int, str]:
    """Status and code of the S3 error that `call` must end with. HEAD has no body, so its code is the status."""
    with pytest.raises(ClientError) as raised:
        call(**arguments)
    response = raised.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]


@pytest.fixture(scope="module")
def body() -> bytes:
    return os.urandom(SIZE)


@pytest.fixture(scope="module")
def reader(shared, origin, body):
    """A client that may only read; the object it reads has every header a GET gives back."""
    origin.client().put_object(
        Bucket="raw",
        Key=f"hive/{KEY}",
        Body=body,
        ContentType="application/x-test",
        ContentEncoding="identity",
        ContentLanguage="de",
        ContentDisposition="inline",
        CacheControl="max-age=5",
        Metadata={"owner": "analytics", "note": "kept"},
    )
    return shared.client(READER, READER_SECRET)


RANGES = {
    "bytes=0-0": (0, 1),
    "bytes=0-99": (0, 100),
    "bytes=1048570-1048590": (1048570, 1048591),  # across the border of two blocks
    "bytes=1000-": (1000, SIZE),
    "bytes=-1": (SIZE - 1, SIZE),
    "bytes=-65536": (SIZE - 65536, SIZE),
    "bytes=-99999999": (0, SIZE),
    f"bytes={SIZE - 10}-{SIZE + 10}": (SIZE - 10, SIZE),
    f"bytes=0-{SIZE - 1}": (0, SIZE),
}


@pytest.mark.parametrize("text", RANGES)
@pytest.mark.parametrize("temperature", ["cold or warm", "warm"])
def test_a_range_gives_exactly_its_bytes(reader, body, text, temperature):
    start, end = RANGES[text]
    answer = reader.get_object(Bucket="warehouse", Key=KEY, Range=text)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 206
    assert answer["ContentRange"] == f"bytes {start}-{end - 1}/{SIZE}"
    assert answer["ContentLength"] == end - start
    assert answer["Body"].read() == body[start:end]


@pytest.mark.parametrize("text", [f"bytes={SIZE}-", f"bytes={SIZE + 5}-{SIZE + 9}", "bytes=-0"])
def test_a_range_beyond_the_end_is_416(reader, text):
    assert error_of(reader.get_object, Bucket="warehouse", Key=KEY, Range=text) == (416, "InvalidRange")


def test_without_a_range_the_whole_object_comes_with_its_headers(reader, body, origin):
    answer = reader.get_object(Bucket="warehouse", Key=KEY)
    direct = origin.client().get_object(Bucket="raw", Key=f"hive/{KEY}")
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert answer["Body"].read() == body
    for field in ("ETag", "LastModified", "ContentLength", "ContentType", "AcceptRanges"):
        assert answer[field] == direct[field], field


def test_head_says_what_get_says(reader, origin):
    head = reader.head_object(Bucket="warehouse", Key=KEY)
    direct = origin.client().head_object(Bucket="raw", Key=f"hive/{KEY}")
    for field in ("ETag", "LastModified", "ContentLength", "ContentType", "AcceptRanges"):
        assert head[field] == direct[field], field
    assert error_of(reader.head_object, Bucket="warehouse", Key="reads/absent") == (404, "404")


@pytest.mark.parametrize("call", ["get_object", "head_object"])
def test_stored_headers_and_user_metadata_are_kept(reader, call):
    answer = getattr(reader, call)(Bucket="warehouse", Key=KEY)
    assert answer["Metadata"] == {"owner": "analytics", "note": "kept"}
    assert answer["ContentType"] == "application/x-test"
    assert answer["ContentLanguage"] == "de"
    assert answer["ContentDisposition"] == "inline"
    assert answer["CacheControl"] == "max-age=5"


@pytest.mark.parametrize("call", ["get_object", "head_object"])
def test_conditions_are_answered_as_s3_answers_them(reader, call):
    get = getattr(reader, call)
    head = reader.head_object(Bucket="warehouse", Key=KEY)
    etag, modified = head["ETag"], head["LastModified"]
    day = datetime.timedelta(days=1)
    true = [
        {"IfMatch": etag},
        {"IfNoneMatch": '"other"'},
        {"IfModifiedSince": modified - day},
        {"IfUnmodifiedSince": modified + day},
        # RFC 9110: with If-Match that holds, If-Unmodified-Since is not looked at.
        {"IfMatch": etag, "IfUnmodifiedSince": modified - day},
        {"IfNoneMatch": '"other"', "IfModifiedSince": modified + day},
    ]
    for conditions in true:
        assert get(Bucket="warehouse", Key=KEY, **conditions)["ContentLength"] == SIZE, conditions
    not_modified = [{"IfNoneMatch": etag}, {"IfModifiedSince": modified}]
    for conditions in not_modified:
        assert error_of(get, Bucket="warehouse", Key=KEY, **conditions)[0] == 304, conditions
    for conditions in [{"IfMatch": '"other"'}, {"IfUnmodifiedSince": modified - day}]:
        assert error_of(get, Bucket="warehouse", Key=KEY, **conditions)[0] == 412, conditions


def test_part_number_one_is_the_whole_of_an_object_without_parts(reader, body):
    answer = reader.get_object(Bucket="warehouse", Key=KEY, PartNumber=1)
    assert answer["Body"].read() == body
    status, _ = error_of(reader.get_object, Bucket="warehouse", Key=KEY, PartNumber=2)
    assert status == 416


def test_response_overrides_replace_headers(reader):
    answer = reader.get_object(
        Bucket="warehouse",
        Key=KEY,
        ResponseContentType="text/plain",
        ResponseContentDisposition='attachment; filename="a.bin"',
        ResponseCacheControl="no-store",
        ResponseContentLanguage="en",
    )
    assert answer["ContentType"] == "text/plain"
    assert answer["ContentDisposition"] == 'attachment; filename="a.bin"'
    assert answer["CacheControl"] == "no-store"
    assert answer["ContentLanguage"] == "en"


def test_an_absent_key_and_an_absent_bucket_have_their_own_codes(reader):
    assert error_of(reader.get_object, Bucket="warehouse", Key="reads/absent") == (404, "NoSuchKey")
    assert error_of(reader.get_object, Bucket="no-such-bucket", Key="a") == (404, "NoSuchBucket")


@pytest.mark.parametrize("key", ["reads/a b+c&d=ü%20'(!).bin", "reads/dt=2026-11-19/a.bin", "reads/..hidden/ .bin"])
def test_odd_keys_are_read_back(shared, origin, key):
    origin.client().put_object(Bucket="raw", Key=f"hive/{key}", Body=key.encode())
    assert shared.client().get_object(Bucket="warehouse", Key=key)["Body"].read() == key.encode()


def test_an_empty_object_is_read(shared, origin):
    origin.client().put_object(Bucket="raw", Key="hive/reads/empty", Body=b"")
    client = shared.client()
    assert client.get_object(Bucket="warehouse", Key="reads/empty")["Body"].read() == b""
    assert error_of(client.get_object, Bucket="warehouse", Key="reads/empty", Range="bytes=0-0")[0] == 416


def test_presigned_urls_work_until_they_expire(reader, body):
    parameters = {"Bucket": "warehouse", "Key": KEY}
    url = reader.generate_presigned_url("get_object", Params=parameters, ExpiresIn=60)
    answer = requests.get(url, headers={"Range": "bytes=5-9"}, timeout=30)
    assert (answer.status_code, answer.content) == (206, body[5:10])
    assert requests.get(url.replace("object.bin", "other.bin"), timeout=30).status_code == 403
    short = reader.generate_presigned_url("get_object", Params=parameters, ExpiresIn=1)
    time.sleep(2.1)
    expired = requests.get(short, timeout=30)
    assert expired.status_code == 403 and "<Code>AccessDenied</Code>" in expired.text


def test_presigned_puts_work(shared):
    client = shared.client()
    url = client.generate_presigned_url("put_object", Params={"Bucket": "scratch", "Key": "presigned"}, ExpiresIn=60)
    assert requests.put(url, data=b"by url", timeout=30).status_code == 200
    assert client.get_object(Bucket="scratch", Key="presigned")["Body"].read() == b"by url"


def test_virtual_host_style_addresses_the_same_bucket(shared, body):
    """The bucket in the host name: `Host: warehouse.larder.test`, sent to loopback."""
    client = s3_client(f"http://larder.test:{shared.s3_port}", READER, READER_SECRET, virtual=True)
    url = client.generate_presigned_url("get_object", Params={"Bucket": "warehouse", "Key": KEY})
    host = f"warehouse.larder.test:{shared.s3_port}"
    assert url.startswith(f"http://{host}/reads/")
    answer = requests.get(
        url.replace(host, f"127.0.0.1:{shared.s3_port}"), headers={"Host": host, "Range": "bytes=0-9"}, timeout=30
    )
    assert (answer.status_code, answer.content) == (206, body[:10])
