"""Reads as OpenTelemetry traces, taken by a receiver that decodes what OTLP says."""

import contextlib
import gzip
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests
from botocore.exceptions import ClientError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from harness.larder import READER, READER_SECRET, s3_bucket
from harness.process import wait_until

KEY = "hive/tpch/nation/"


class Receiver:
    """A collector: keeps every span that is posted to it."""

    def __init__(self):
        self.requests: list[ExportTraceServiceRequest] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                assert self.path == "/v1/traces" and self.headers["Content-Type"] == "application/x-protobuf"
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                receiver.requests.append(ExportTraceServiceRequest.FromString(body))
                self.send_response(200)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *arguments):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def spans(self) -> list:
        resources = [spans for request in list(self.requests) for spans in request.resource_spans]
        return [span for resource in resources for scope in resource.scope_spans for span in scope.spans]


@pytest.fixture
def receiver():
    with contextlib.closing(Receiver()) as made:
        yield made


def values(attributes) -> dict:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in attributes}


def test_each_read_is_a_span_with_its_route_and_tiers(start_larder, origin, receiver):
    larder = start_larder(
        [s3_bucket(origin, catalog="hive")], traces={"endpoint": receiver.endpoint, "one_in": 1}
    ).start()
    listed = origin.client().list_objects_v2(Bucket="raw", Prefix=KEY)["Contents"][0]
    key, size = listed["Key"].removeprefix("hive/"), listed["Size"]
    client = larder.client(READER, READER_SECRET)
    for _ in range(2):
        assert len(client.get_object(Bucket="warehouse", Key=key)["Body"].read()) == size
    client.get_object(Bucket="warehouse", Key=key, Range="bytes=10-19")["Body"].read()
    spans = wait_until(lambda: len(receiver.spans()) >= 3 and receiver.spans(), what="three spans")
    resource = values(receiver.requests[0].resource_spans[0].resource.attributes)
    assert resource["service.name"] == "larder" and resource["service.instance.id"]
    assert len({span.span_id for span in spans}) == len(spans) == 3
    first, second, third = (values(span.attributes) for span in spans)
    for span, found in zip(spans, (first, second, third), strict=True):
        assert span.name == "GET" and len(span.trace_id) == 16 and len(span.span_id) == 8 and not span.parent_span_id
        assert 0 < span.start_time_unix_nano <= span.end_time_unix_nano
        assert (found["aws.s3.bucket"], found["aws.s3.key"]) == ("warehouse", key)
        assert found["larder.table"] == "hive.tpch.nation" and found["enduser.id"] == READER
        assert found["larder.route"] == "cached"
    assert (first["larder.tiers"], first["larder.bytes.origin"]) == ("origin", size)
    assert second["larder.bytes.origin"] == 0 and second["larder.tiers"] in ("memory", "ssd", "memory,ssd")
    assert (third["larder.range.start"], third["larder.range.length"]) == (10, 10)


def test_direct_reads_redirects_and_failures_are_spans_too(start_larder, origin, receiver):
    larder = start_larder(
        [s3_bucket(origin, catalog="hive", redirect=["python-requests"])],
        traces={"endpoint": receiver.endpoint, "one_in": 1},
    ).start()
    larder.list_only("hive.tpch.lineitem/l_year=1997")
    client = larder.client(READER, READER_SECRET)

    def cold(prefix):
        listed = origin.client().list_objects_v2(Bucket="raw", Prefix=prefix)["Contents"][0]
        return listed["Key"].removeprefix("hive/"), listed["Size"]

    key, size = cold(KEY)
    assert len(client.get_object(Bucket="warehouse", Key=key)["Body"].read()) == size
    elsewhere, size_elsewhere = cold("hive/tpch/lineitem/l_year=1993/")
    url = client.generate_presigned_url("get_object", {"Bucket": "warehouse", "Key": elsewhere}, ExpiresIn=60)
    assert requests.get(url, allow_redirects=False, timeout=30).status_code == 307
    for absent in ("tpch/nation/absent", "tpch/lineitem/l_year=1997/absent"):
        with pytest.raises(ClientError, match="NoSuchKey"):
            client.get_object(Bucket="warehouse", Key=absent)
    spans = wait_until(lambda: len(receiver.spans()) >= 4 and receiver.spans(), what="four spans")
    direct, redirected, *failed = (values(span.attributes) for span in spans)
    assert (direct["aws.s3.key"], direct["larder.route"], direct["larder.tiers"]) == (key, "direct", "origin")
    assert direct["larder.bytes.origin"] == size and "larder.redirected" not in direct
    assert (redirected["aws.s3.key"], redirected["larder.route"]) == (elsewhere, "direct")
    assert redirected["larder.redirected"] is True and redirected["larder.range.length"] == size_elsewhere
    assert [found["larder.route"] for found in failed] == ["direct", "cached"]
    for found in failed:
        assert found["error.type"] == "not_found" and "larder.range.start" not in found and not found["larder.tiers"]
        assert found["enduser.id"] == READER and found["larder.table"].startswith("hive.tpch.")
    codes = [span.status.code for span in spans]
    assert codes == [Status.STATUS_CODE_UNSET] * 2 + [Status.STATUS_CODE_ERROR] * 2
    assert all(span.status.message for span in spans[2:])


def test_a_sample_is_traced_and_the_rest_is_sent_at_the_end(start_larder, origin, receiver):
    larder = start_larder([s3_bucket(origin)], traces={"endpoint": receiver.endpoint, "one_in": 10}).start()
    key = origin.client().list_objects_v2(Bucket="raw", Prefix=KEY)["Contents"][0]["Key"].removeprefix("hive/")
    client = larder.client(READER, READER_SECRET)
    for _ in range(21):
        client.get_object(Bucket="warehouse", Key=key)["Body"].read()
    assert larder.stop() == 0
    assert len(receiver.spans()) == 3


def test_a_collector_that_is_away_costs_nothing_but_its_traces(start_larder, origin):
    larder = start_larder([s3_bucket(origin)], traces={"endpoint": "http://127.0.0.1:1", "one_in": 1}).start()
    key = origin.client().list_objects_v2(Bucket="raw", Prefix=KEY)["Contents"][0]["Key"].removeprefix("hive/")
    client = larder.client(READER, READER_SECRET)
    for _ in range(3):
        client.get_object(Bucket="warehouse", Key=key)["Body"].read()
    wait_until(lambda: "the collector takes no traces" in larder.process.output(), what="a word in the log")
    assert client.get_object(Bucket="warehouse", Key=key)["Body"].read()
    assert larder.stop() == 0
    assert larder.process.output(1000).count("the collector takes no traces") == 1
