"""Has Trino and PrestoDB tell of their queries, and writes it down: the samples in whitelist/src/logs/samples that are said to be
recorded by it. `./test query-logs FOLDER` runs it. There is no Larder: what takes the events only keeps them."""

import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import requests
from trino.exceptions import TrinoQueryError

from harness import presto, trino
from harness.metastore import Metastore
from harness.process import wait_until

pytestmark = pytest.mark.timeout(1200)

# No partition of places is named 北京: Trino reads such names and does not write them.
TABLES = [
    "CREATE TABLE hive.sales.orders WITH (partitioned_by = ARRAY['dt', 'hour']) AS "
    "SELECT id, id % 7 AS customer, id * 3 AS total, 'note ' || CAST(id AS varchar) AS note, dt, hour "
    "FROM UNNEST(sequence(1, 500)) AS i (id) "
    "CROSS JOIN (VALUES '2026-11-17', '2026-11-18') AS d (dt) CROSS JOIN (VALUES 0, 1) AS h (hour)",
    "CREATE TABLE hive.sales.customers AS "
    "SELECT * FROM (VALUES (0, 'Ana', 'PT'), (1, 'Ben', 'US'), (2, '陈', 'CN')) AS c (id, name, country)",
    "CREATE TABLE hive.sales.places WITH (partitioned_by = ARRAY['place']) AS "
    "SELECT * FROM (VALUES (1, 'a:b/c'), (2, 'x=y z'), (3, '50%'), (4, CAST(NULL AS varchar))) AS p (v, place)",
]
QUERIES = [
    "SELECT sum(total) FROM hive.sales.orders WHERE dt = '2026-11-18' AND hour = 1",
    "SELECT c.country, sum(o.total) FROM hive.sales.orders o JOIN hive.sales.customers c ON o.customer = c.id "
    "WHERE o.dt = '2026-11-18' GROUP BY c.country",
    "SELECT count(v) FROM hive.sales.places",
    "SELECT sum(v) FROM hive.sales.places WHERE place <> 'nowhere' OR place IS NULL",
    "SELECT count(*) FROM hive.sales.orders a JOIN hive.sales.orders b ON a.id = b.total "
    "WHERE a.dt = '2026-11-17' AND b.dt = '2026-11-18' AND b.hour = 0",
    "INSERT INTO hive.sales.customers SELECT DISTINCT CAST(customer AS integer), 'Eva', 'DE' FROM hive.sales.orders "
    "WHERE hour = 0 AND customer > 2",
    "SELECT count(*) FROM hive.sales.orders WHERE dt = '2025-01-01'",
    "SELECT 1",
]
# While it reads, and before it is planned.
FAILING = [
    "SELECT sum(total / (id - 7)) FROM hive.sales.orders WHERE dt = '2026-11-17' AND hour = 0",
    "SELECT nothing FROM hive.sales.orders",
]
# Tasks, operators and plans: hundreds of KB for each query, of which Larder reads nothing.
BULK = {
    "trino": ["payload", "plan", "jsonPlan", "planNodeStatsAndCosts", "operatorSummaries", "taskStatistics"]
    + ["optimizerRulesSummaries", "outputBufferUtilization"],
    "presto": ["outputStage", "planStatsAndCosts", "operatorSummaries", "optimizerInformation", "runtimeStats"]
    + ["stageGcStatistics"],
}


def ask(engine, schema_at: str, files: Path, more=()):
    """Makes the tables and asks the queries. `files` is the schema's folder."""
    engine.rows(f"CREATE SCHEMA hive.sales WITH (location = '{schema_at}')")
    for statement in TABLES:
        engine.rows(statement)
    shutil.copytree(files / "places" / "place=50%25", files / "places" / "place=北京")
    engine.rows("CALL hive.system.sync_partition_metadata('sales', 'places', 'ADD')")
    for statement in [*QUERIES, *more]:
        engine.rows(statement)
    for statement in FAILING:
        with pytest.raises((TrinoQueryError, presto.PrestoError)):
            engine.rows(statement)


def without(entry: str, keys: list[str]) -> str:
    """The entry with nothing in what these keys hold, and else as it was, to the letter."""
    for key in keys:
        begin = 0
        while (found := entry.find(f'"{key}":', begin)) >= 0:
            begin = found + len(f'"{key}":')
            value, end = json.JSONDecoder().raw_decode(entry, begin)
            entry = entry[:begin] + json.dumps(type(value)()) + entry[end:]
    return entry


def write(name: str, entries: list[str], lake: Path, url: str):
    """Writes a line for each entry, without the bulk, this machine's folder and the engine's port."""
    folder = Path(os.environ["LARDER_QUERY_LOGS"])
    folder.mkdir(parents=True, exist_ok=True)
    text = "".join(without(entry.strip(), BULK[name]) + "\n" for entry in entries)
    (folder / f"{name}.jsonl").write_text(text.replace(str(lake), "/srv/lake").replace(url, f"http://{name}:8080"))


def test_trino_posts_its_events(tmp_path):
    posted = []

    class Listener(BaseHTTPRequestHandler):
        def do_POST(self):
            posted.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *arguments):
            """Says nothing."""

    def all_ended() -> bool:
        ended = [event for event in posted if '"endTime"' in event]
        return 2 * len(ended) == len(posted) and all(any(text in event for event in ended) for text in FAILING)

    listener = ThreadingHTTPServer(("127.0.0.1", 0), Listener)
    Thread(target=listener.serve_forever, daemon=True).start()
    properties = tmp_path / "http-event-listener.properties"
    properties.write_text(
        "event-listener.name=http\nhttp-event-listener.log-created=true\nhttp-event-listener.log-completed=true\n"
        f"http-event-listener.connect-ingest-uri=http://127.0.0.1:{listener.server_port}/\n"
    )
    lake = tmp_path / "lake"
    lake.mkdir()
    catalogs = {"hive": trino.hive_catalog(lake, "http://127.0.0.1:1")}
    engine = trino.Trino(tmp_path / "trino", catalogs, config={"event-listener.config-files": properties})
    try:
        ask(engine, "local:///sales", lake / "sales", ["SELECT count(name) FROM tpch.tiny.nation"])
        wait_until(all_ended, what="both events of each query")
    finally:
        engine.stop()
        listener.shutdown()
    write("trino", posted, lake, engine.url)


def test_presto_answers_for_its_queries(tmp_path, monkeypatch):
    # Java finds folders in other alphabets only where the locale has them.
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    lake = tmp_path / "lake"
    lake.mkdir()
    metastore = Metastore(tmp_path / "metastore")
    try:
        catalogs = {"hive": presto.hive_catalog(metastore.url, endpoint="http://127.0.0.1:1")}
        engine = presto.Presto(tmp_path / "presto", catalogs, {})
        try:
            ask(engine, f"file:{lake}/sales", lake / "sales")
            # One is asked for while it runs, and stopped then.
            product = ", ".join(f"hive.sales.orders {alias}" for alias in "abc")
            with ThreadPoolExecutor() as pool:
                slow = pool.submit(engine.rows, f"SELECT count(*) FROM {product} WHERE a.id + b.id + c.id = 1")
                running = wait_until(lambda: [info for info in engine.query_infos() if '"state":"RUNNING"' in info])
                at = f"{engine.url}/v1/query/{json.loads(running[0])['queryId']}"
                requests.delete(at, headers={"X-Presto-User": "ann"}, timeout=30).raise_for_status()
                assert isinstance(slow.exception(), presto.PrestoError)
            told = running + sorted(engine.query_infos(), key=lambda info: json.loads(info)["queryId"])
        finally:
            engine.stop()
    finally:
        metastore.stop()
    write("presto", told, lake, engine.url)
