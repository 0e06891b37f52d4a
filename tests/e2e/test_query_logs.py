"""The log of each engine, from its file or its post into a night's tables."""

import datetime
import gzip
import json

import pytest

from harness.larder import s3_bucket

NOW = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
SECONDS, TEXT = int(NOW.timestamp()), NOW.isoformat()
PARTITION = "o_year=1993"


def hive_input(catalog_key: str) -> dict:
    """An input as Trino and Presto write it."""
    return {
        catalog_key: "hive",
        "schema": "tpch",
        "table": "from_" + ("trino" if catalog_key == "catalogName" else "presto"),
        "columns": [{"name": "o_orderkey", "type": "bigint"}],
        "connectorInfo": {"partitionIds": [PARTITION], "truncated": False},
        "physicalInputBytes": 500_000,
    }


def lineage(table: str, **more) -> dict:
    return {
        "user": "ann",
        "timestamp": SECONDS,
        "hash": "91b81acff45df6400e032d050b2901fc",
        "queryText": "select o_orderkey from orders",
        "edges": [{"sources": [1], "targets": [0], "edgeType": "PROJECTION"}],
        "vertices": [
            {"id": 0, "vertexType": "COLUMN", "vertexId": "o_orderkey"},
            {"id": 1, "vertexType": "COLUMN", "vertexId": f"tpch.{table}.o_orderkey"},
        ],
        **more,
    }


def spark_log() -> list[dict]:
    scan = {
        "nodeName": "Scan parquet spark_catalog.tpch.from_spark",
        "children": [],
        "metadata": {
            "Location": f"InMemoryFileIndex(1 paths)[s3a://raw/hive/tpch.db/from_spark/{PARTITION}]",
            "PartitionFilters": "[(o_year#3 = 1993)]",
            "ReadSchema": "struct<o_orderkey:bigint>",
        },
        "metrics": [
            {"name": "size of files read", "accumulatorId": 7, "metricType": "size"},
            {"name": "number of partitions read", "accumulatorId": 8, "metricType": "sum"},
        ],
    }
    ui = "org.apache.spark.sql.execution.ui."
    return [
        {"Event": "SparkListenerLogStart", "Spark Version": "4.3.0"},
        {"Event": "SparkListenerApplicationStart", "App ID": "app-1", "Timestamp": SECONDS * 1000, "User": "ann"},
        {
            "Event": ui + "SparkListenerSQLExecutionStart",
            "executionId": 0,
            "description": "SELECT 1",
            "sparkPlanInfo": scan,
            "time": SECONDS * 1000,
        },
        {"Event": ui + "SparkListenerDriverAccumUpdates", "executionId": 0, "accumUpdates": [[7, 500_000], [8, 1]]},
        {"Event": ui + "SparkListenerSQLExecutionEnd", "executionId": 0, "time": SECONDS * 1000 + 500, "errorMessage": ""},
    ]


LOGS = {
    "trino": [
        {
            "metadata": {"queryId": "q", "query": "SELECT 1", "queryState": "FINISHED"},
            "ioMetadata": {"inputs": [hive_input("catalogName")]},
            "createTime": TEXT,
            "endTime": SECONDS,
        }
    ],
    "presto": [
        {
            "queryId": "q",
            "session": {"user": "ann"},
            "state": "FINISHED",
            "queryStats": {"createTime": TEXT, "endTime": TEXT, "rawInputDataSize": "488.28kB"},
            "inputs": [hive_input("connectorId")],
        }
    ],
    "spark": spark_log(),
    "impala": [lineage("from_impala", queryId="7b4f:a1b2", endTime=SECONDS)],
    "hive": [lineage("from_hive", version="1.0", duration=98, jobIds=[], engine="tez", database="tpch")],
    "generic": [
        {
            "query_id": "q",
            "engine": "duckdb",
            "created": TEXT,
            "ended": TEXT,
            "reads": [{"table": "hive.tpch.from_generic", "partitions": [PARTITION], "bytes": 500_000}],
        }
    ],
}


@pytest.fixture
def larder(start_larder, origin):
    buckets = [s3_bucket(origin, consistency="immutable", catalog="hive")]
    return start_larder(buckets, nightly={"schedule": ""}).start()


def test_the_logs_of_all_engines_make_tables(larder, tmp_path):
    for form, entries in LOGS.items():
        folder = tmp_path / form / "below"
        folder.mkdir(parents=True)
        text = "\ufeff" + "\r\n".join([json.dumps(entry) for entry in entries] + ["broken"])
        (folder / "log.gz").write_bytes(gzip.compress(text.encode()))
        (folder / "log.twice").write_text(text)
        reports = json.loads(larder.command("ingest", form, tmp_path / form, "--catalog", "hive", "--json").stdout)
        shown = [(report["report"]["events"], report["report"]["duplicates"]) for report in reports]
        assert shown == [(1, 0), (0, 1)], (form, reports)
        assert [report["report"]["broken_entries"][0]["line"] for report in reports] == [len(entries) + 1] * 2
    larder.command("nightly", "--date", NOW.date().isoformat())
    tables = {table["table"] for table in larder.get("tables")}
    assert {f"hive.tpch.from_{form}" for form in LOGS} <= tables, tables


def test_presto_posts_its_events(larder):
    answer = larder.post("events/presto", LOGS["presto"][0])
    assert answer.status_code == 202 and answer.json()["events"] == 1, answer.text
    answer = larder.post("events/spark", LOGS["spark"][0])
    assert answer.status_code == 404 and "write trino, presto or generic" in answer.json()["error"], answer.text


def test_events_of_the_future_are_refused_by_name(larder):
    far = (NOW + datetime.timedelta(days=2)).isoformat()
    answer = larder.post("events/generic", LOGS["generic"][0] | {"query_id": "far", "created": far, "ended": far})
    assert answer.status_code == 400 and "in the future" in answer.text, answer.text


def test_a_log_that_names_no_catalog_wants_one(start_larder, origin, tmp_path):
    buckets = [s3_bucket(origin, catalog="hive"), s3_bucket(origin, name="other", catalog="lake")]
    larder = start_larder(buckets)
    path = tmp_path / "hive.log"
    path.write_text(json.dumps(LOGS["hive"][0]))
    done = larder.command("ingest", "hive", path, check=False)
    assert done.returncode == 1 and "hive, lake" in done.stderr and "--catalog" in done.stderr, done.stderr
    assert "1 events taken" in larder.command("ingest", "hive", path, "--catalog", "lake").stdout
