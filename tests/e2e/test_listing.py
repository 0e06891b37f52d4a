"""Listings through Larder equal listings of the origin: same keys, same prefixes, same pages."""

from urllib.parse import unquote_plus

import pytest

from harness.larder import OTHER, OTHER_SECRET, READER, READER_SECRET
from test_reads import error_of

KEYS = [
    "a.txt",
    "a/1",
    "a/2",
    "a/b/3",
    "a/b/c/4",
    "aa",
    "odd/ space",
    "odd/&amp;<xml>",
    "odd/a+b",
    "odd/a%20b",
    "odd/\u00fc\u00f1\u00ee",
    "odd/dt=2026-11-19/part",
    *(f"many/{number:03}" for number in range(57)),
    "z",
]


@pytest.fixture(scope="module")
def listings(shared, origin):
    """The same listing of both sides: `listings(call, **arguments)`; the origin's prefix is taken off its answer."""
    direct, through = origin.client(), shared.client(READER, READER_SECRET)
    for key in KEYS:
        direct.put_object(Bucket="raw", Key=f"hive/list/{key}", Body=key.encode())

    def run(call, **arguments):
        mapped = dict(arguments)
        for name in ("Prefix", "StartAfter", "Marker"):
            if name in mapped:
                mapped[name] = "hive/" + mapped[name]
        return (
            simplify(getattr(direct, call)(Bucket="raw", **mapped), "hive/"),
            simplify(getattr(through, call)(Bucket="warehouse", **arguments), ""),
        )

    return run


def simplify(answer: dict, prefix: str) -> dict:
    entries = [
        (entry["Key"].removeprefix(prefix), entry["Size"], entry["ETag"], entry["LastModified"])
        for entry in answer.get("Contents", [])
    ]
    prefixes = [entry["Prefix"].removeprefix(prefix) for entry in answer.get("CommonPrefixes", [])]
    return {"keys": entries, "prefixes": prefixes, "truncated": answer["IsTruncated"], "max": answer["MaxKeys"]}


@pytest.mark.parametrize("call", ["list_objects_v2", "list_objects"])
@pytest.mark.parametrize(
    "arguments",
    [
        {"Prefix": "list/"},
        {"Prefix": "list/a"},
        {"Prefix": "list/a", "Delimiter": "/"},
        {"Prefix": "list/a/", "Delimiter": "/"},
        {"Prefix": "list/", "Delimiter": "/"},
        {"Prefix": "list/", "Delimiter": "/", "MaxKeys": 2},
        {"Prefix": "list/odd/"},
        {"Prefix": "list/odd/dt=", "Delimiter": "/"},
        {"Prefix": "list/many/", "MaxKeys": 10},
        {"Prefix": "list/many/", "MaxKeys": 0},
        {"Prefix": "list/absent/"},
    ],
    ids=str,
)
def test_a_listing_equals_the_origins(listings, call, arguments):
    direct, through = listings(call, **arguments)
    assert through == direct


@pytest.mark.parametrize("call", ["list_objects_v2", "list_objects"])
def test_odd_keys_are_encoded_when_asked(listings, shared, call):
    """boto3 asks for it and decodes by itself, unless it was told to; then the answer shows as it came."""
    direct, _ = listings(call, Prefix="list/odd/")
    shown = getattr(shared.client(), call)(Bucket="warehouse", Prefix="list/odd/", EncodingType="url")["Contents"]
    assert all(entry["Key"].isascii() and " " not in entry["Key"] for entry in shown)
    assert [unquote_plus(entry["Key"]) for entry in shown] == [key for key, *_ in direct["keys"]]


@pytest.mark.parametrize("after", ["list/many/010", "list/many/0105", "list/a/b", "list/zzz"])
def test_a_listing_starts_after_a_key(listings, after):
    direct, through = listings("list_objects_v2", Prefix="list/", StartAfter=after)
    assert through == direct
    direct, through = listings("list_objects", Prefix="list/", Marker=after)
    assert through == direct


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize("delimiter", [None, "/"])
@pytest.mark.parametrize("call", ["list_objects_v2", "list_objects"])
def test_paging_gives_every_key_once_and_in_order(shared, listings, call, size, delimiter):
    client = shared.client(READER, READER_SECRET)
    arguments = {"Delimiter": delimiter} if delimiter else {}
    pages = list(
        client.get_paginator(call).paginate(
            Bucket="warehouse", Prefix="list/", PaginationConfig={"PageSize": size}, **arguments
        )
    )
    names = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
    folders = [entry["Prefix"] for page in pages for entry in page.get("CommonPrefixes", [])]
    direct, _ = listings("list_objects_v2", Prefix="list/", **arguments)
    assert names == [key for key, *_ in direct["keys"]]
    assert folders == direct["prefixes"]
    assert all(len(page.get("Contents", [])) + len(page.get("CommonPrefixes", [])) <= size for page in pages)


@pytest.mark.parametrize("token", ["nonsense", "\u0000", "/etc/passwd", "ü" * 1000])
def test_a_token_that_larder_did_not_make_is_refused(shared, token):
    call = shared.client(READER, READER_SECRET).list_objects_v2
    assert error_of(call, Bucket="warehouse", ContinuationToken=token) == (400, "InvalidArgument")


def test_an_object_that_stands_for_its_folder_is_not_listed_under_another_name(shared, origin):
    """Some programs write an empty object `folder/`. Trino takes a key that does not begin as it asked for an error."""
    keys = ["hive/marked/", "hive/marked/f"]
    for key in keys:
        origin.client().put_object(Bucket="raw", Key=key, Body=b"")
    listed = shared.client().list_objects_v2(Bucket="warehouse", Prefix="marked/")
    assert [entry["Key"] for entry in listed["Contents"]] == ["marked/f"]
    for key in reversed(keys):
        origin.client().delete_object(Bucket="raw", Key=key)


def test_the_count_is_of_keys_and_prefixes_together(shared):
    """As AWS counts; the origin of these tests counts keys alone."""
    answer = shared.client().list_objects_v2(Bucket="warehouse", Prefix="tpch/", Delimiter="/")
    assert answer["KeyCount"] == len(answer["CommonPrefixes"]) == 8


def test_buckets_are_listed_located_and_found(shared):
    client = shared.client(READER, READER_SECRET)
    assert {bucket["Name"] for bucket in client.list_buckets()["Buckets"]} == {"warehouse", "scratch", "elsewhere"}
    assert client.head_bucket(Bucket="warehouse")["ResponseMetadata"]["HTTPStatusCode"] == 200
    # us-east-1 is written as no location at all.
    assert client.get_bucket_location(Bucket="warehouse")["LocationConstraint"] in (None, "us-east-1")
    assert error_of(client.head_bucket, Bucket="absent") == (404, "404")


def test_a_key_sees_only_its_own_buckets(shared):
    buckets = shared.client(OTHER, OTHER_SECRET).list_buckets()["Buckets"]
    assert [bucket["Name"] for bucket in buckets] == ["elsewhere"]
