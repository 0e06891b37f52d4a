"""Who may come in, what is not served, and what malformed requests get: the codes that AWS documents, and no more."""

import datetime
import socket
import ssl

import boto3
import pytest
import requests
from botocore import UNSIGNED
from botocore.config import Config

from harness.larder import OTHER, OTHER_SECRET, READER, READER_SECRET, WRITER, WRITER_SECRET, s3_bucket
from harness.origin import KEY as ORIGIN_KEY
from harness.origin import SECRET as ORIGIN_SECRET
from harness.origin import s3_client
from harness.signing import signed
from test_reads import error_of

OBJECT = {"Bucket": "warehouse", "Key": "tpch/nation/0.parquet"}


def test_a_wrong_secret_is_a_wrong_signature(shared):
    client = shared.client(READER, "not-the-secret")
    assert error_of(client.get_object, **OBJECT) == (403, "SignatureDoesNotMatch")
    url = client.generate_presigned_url("get_object", Params=OBJECT)
    answer = requests.get(url, timeout=30)
    assert answer.status_code == 403 and "<Code>SignatureDoesNotMatch</Code>" in answer.text


def test_an_unknown_key_is_named_as_such(shared):
    client = shared.client("nobody", "nothing")
    assert error_of(client.get_object, **OBJECT) == (403, "InvalidAccessKeyId")
    # The origin's own key opens the origin, not Larder.
    assert error_of(shared.client(ORIGIN_KEY, ORIGIN_SECRET).get_object, **OBJECT) == (403, "InvalidAccessKeyId")


def test_an_unsigned_request_is_denied(shared):
    config = Config(signature_version=UNSIGNED, s3={"addressing_style": "path"})
    client = boto3.client("s3", endpoint_url=shared.endpoint, region_name="us-east-1", config=config)
    assert error_of(client.get_object, **OBJECT) == (403, "AccessDenied")
    assert error_of(client.list_buckets) == (403, "AccessDenied")
    assert error_of(client.put_object, Bucket="scratch", Key="x", Body=b"x") == (403, "AccessDenied")


def test_another_keys_bucket_is_denied(shared):
    client = shared.client(OTHER, OTHER_SECRET)
    assert error_of(client.get_object, **OBJECT) == (403, "AccessDenied")
    assert error_of(client.list_objects_v2, Bucket="warehouse") == (403, "AccessDenied")
    assert error_of(client.put_object, Bucket="warehouse", Key="x", Body=b"x") == (403, "AccessDenied")
    # Whether a bucket exists is not told to a key that it is closed to.
    assert error_of(client.get_object, Bucket="no-such-bucket", Key="x") == (403, "AccessDenied")


def test_a_copy_does_not_reach_into_another_keys_bucket(start_larder, origin):
    larder = start_larder([s3_bucket(origin), s3_bucket(origin, "scratch", "s3://scratch")])
    writer = next(key for key in larder.settings["s3"]["keys"] if key["id"] == WRITER)
    writer["buckets"] = ["scratch"]
    larder.start()
    source = {"Bucket": OBJECT["Bucket"], "Key": OBJECT["Key"]}
    call = larder.client().copy_object
    assert error_of(call, Bucket="scratch", Key="stolen", CopySource=source) == (403, "AccessDenied")


@pytest.mark.parametrize(
    "call, arguments",
    [
        ("get_object_acl", OBJECT),
        ("get_object_torrent", OBJECT),
        ("get_bucket_policy", {"Bucket": "warehouse"}),
        ("put_bucket_versioning", {"Bucket": "warehouse", "VersioningConfiguration": {"Status": "Enabled"}}),
        ("get_bucket_lifecycle_configuration", {"Bucket": "warehouse"}),
        ("delete_bucket", {"Bucket": "scratch"}),
        ("create_bucket", {"Bucket": "new-bucket"}),
        ("select_object_content", None),
    ],
)
def test_what_is_not_served_says_so(shared, call, arguments):
    if arguments is None:
        arguments = OBJECT | {
            "Expression": "SELECT 1",
            "ExpressionType": "SQL",
            "InputSerialization": {"Parquet": {}},
            "OutputSerialization": {"CSV": {}},
        }
    assert error_of(getattr(shared.client(), call), **arguments) == (501, "NotImplemented")


def test_a_request_of_an_hour_ago_cannot_be_sent_again(shared):
    then = datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=1)
    answer = signed("GET", f"{shared.endpoint}/warehouse/{OBJECT['Key']}", READER, READER_SECRET, at=then)
    assert answer.status_code == 403 and "<Code>RequestTimeTooSkewed</Code>" in answer.text, answer.text
    assert signed("GET", f"{shared.endpoint}/warehouse/{OBJECT['Key']}", READER, READER_SECRET).status_code == 200


def test_a_client_whose_body_is_not_read_is_told_that_its_connection_ends(shared):
    """Else it sends its next request on a connection that is about to be closed, and loses it."""
    head = b"PUT /warehouse/a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n%s\r\n"
    for waits in (b"Expect: 100-continue\r\n", b""):
        with socket.create_connection(("127.0.0.1", shared.s3_port), timeout=20) as connection:
            connection.sendall(head % waits)
            answer = b""
            while piece := connection.recv(65536):
                answer += piece
        assert answer.startswith(b"HTTP/1.1 403 "), answer
        assert b"\r\nconnection: close\r\n" in answer.lower(), answer


HOSTILE = {
    "no HTTP at all": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "a path that climbs": b"GET /warehouse/../../etc/passwd HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    "an escaped path that climbs": (
        b"GET /warehouse/%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    ),
    "a broken escape": b"GET /warehouse/%zz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    "bytes that are no UTF-8": b"GET /warehouse/%ff%fe HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    "a broken authorization": (
        b"GET /warehouse/a HTTP/1.1\r\nHost: x\r\nAuthorization: AWS4-HMAC-SHA256 Credential=\r\n"
        b"Connection: close\r\n\r\n"
    ),
    "two lengths": (
        b"PUT /scratch/a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\nConnection: close\r\n\r\nhello"
    ),
    "a negative length": b"PUT /scratch/a HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\nConnection: close\r\n\r\n",
    "a header of 1 MiB": (
        b"GET /warehouse/a HTTP/1.1\r\nHost: x\r\nX-Long: " + b"a" * (1 << 20) + b"\r\nConnection: close\r\n\r\n"
    ),
    "a key of 10 kB": b"GET /warehouse/" + b"k" * 10_000 + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    "an unknown method": b"BREW /warehouse/a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_bytes_get_a_client_error_and_nothing_else(shared, name):
    errors = shared.process.log.read_text(errors="replace").count("panicked")
    with socket.create_connection(("127.0.0.1", shared.s3_port), timeout=20) as connection:
        try:
            connection.sendall(HOSTILE[name])
        except OSError:
            pass  # refused before all of it was sent, which is an answer too
        answer = b""
        try:
            while piece := connection.recv(65536):
                answer += piece
        except ConnectionResetError:
            pass
    if answer:
        status = int(answer.split(b" ", 2)[1])
        assert 400 <= status < 502, answer[:500]
        assert b"root:" not in answer
    assert shared.process.log.read_text(errors="replace").count("panicked") == errors == 0
    assert shared.client().head_bucket(Bucket="warehouse")["ResponseMetadata"]["HTTPStatusCode"] == 200


@pytest.mark.parametrize("key", ["../outside", "a/../../outside", "/leading", "a//b", "trailing/", ".", "a/./b"])
def test_keys_that_storage_would_read_as_paths_never_leave_the_bucket(shared, origin, key):
    """Such a key is refused or means itself; it never names an object outside the bucket's prefix."""
    origin.client().put_object(Bucket="raw", Key="outside", Body=b"secret")
    try:
        answer = shared.client().get_object(Bucket="warehouse", Key=key)
    except Exception as error:  # noqa: BLE001 - botocore's class depends on the code
        response = error.response
        assert response["ResponseMetadata"]["HTTPStatusCode"] in (400, 403, 404), response
    else:
        assert answer["Body"].read() != b"secret"


@pytest.mark.parametrize("body", [b"<Delete><Object><Key>a</Wrong>", b"", b"<Other/>", b"\xff\xfe", b"<a>" * 20_000])
def test_malformed_xml_is_named(shared, body):
    answer = signed("POST", f"{shared.endpoint}/scratch?delete=", WRITER, WRITER_SECRET, body)
    assert answer.status_code == 400, answer.text
    assert "<Code>MalformedXML</Code>" in answer.text or "<Code>MissingRequestBodyError</Code>" in answer.text, answer.text


def test_errors_carry_a_request_id_and_no_secret(shared):
    answer = requests.get(f"{shared.endpoint}/warehouse/x", timeout=30)
    assert answer.headers.get("x-amz-request-id") or "<RequestId>" in answer.text
    for secret in (WRITER_SECRET, READER_SECRET, ORIGIN_SECRET):
        assert secret not in answer.text
    log = shared.process.log.read_text(errors="replace")
    for secret in (WRITER_SECRET, READER_SECRET, OTHER_SECRET, ORIGIN_SECRET):
        assert secret not in log


def test_over_tls_reads_work_and_plain_http_does_not(over_tls):
    certificate = str(over_tls.folder / "cert.pem")
    over_tls.client(verify=False).put_object(Bucket="scratch", Key="over-tls", Body=b"sealed")
    client = s3_client(f"https://localhost:{over_tls.s3_port}", WRITER, WRITER_SECRET, verify=certificate)
    assert client.get_object(Bucket="scratch", Key="over-tls")["Body"].read() == b"sealed"
    with pytest.raises(requests.RequestException):
        requests.get(f"http://localhost:{over_tls.s3_port}/scratch/over-tls", timeout=10)
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_2
    with socket.create_connection(("127.0.0.1", over_tls.s3_port)) as connection, old.wrap_socket(connection) as sealed:
        assert sealed.version() == "TLSv1.2"


def test_two_hundred_idle_connections_do_not_stop_anyone(shared):
    """A client that opens connections and says nothing, or half a request, holds up nobody else."""
    held = [socket.create_connection(("127.0.0.1", shared.s3_port)) for _ in range(200)]
    try:
        for connection in held[::2]:
            connection.sendall(b"GET /warehouse/tpch HTTP/1.1\r\nHos")
        assert shared.client().get_object(**OBJECT)["ContentLength"] > 0
    finally:
        for connection in held:
            connection.close()
