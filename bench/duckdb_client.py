"""DuckDB as the clients of `larder-bench -- scans`: a thread per client, each with a database and a connection of its own.

Takes a job as JSON (bench/src/scans/job.rs has its fields), and prints what it measured as JSON. Whatever DuckDB itself
would keep between two queries is switched off, so that the server is measured and not DuckDB's memory.
"""

import importlib
import json
import sys
import threading
import time
from pathlib import Path

import duckdb


def extension(name: str) -> Path:
    """DuckDB's extension as its wheel brought it."""
    (package,) = importlib.import_module(f"duckdb_extension_{name}").__path__
    (file,) = Path(package).glob(f"extensions/*/{name}.duckdb_extension")
    return file


def connect(job: dict) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(config={"autoinstall_known_extensions": "false", "threads": "1"})
    connection.execute(f"LOAD '{extension('httpfs')}'")
    for setting in ("enable_external_file_cache", "parquet_metadata_cache", "enable_http_metadata_cache"):
        connection.execute(f"SET {setting} = false")
    if job["dialect"] == "s3":
        address = job["endpoint"].removeprefix("http://")
        connection.execute(
            f"CREATE SECRET (TYPE s3, KEY_ID '{job['key']}', SECRET '{job['secret']}', ENDPOINT '{address}', "
            "REGION 'us-east-1', URL_STYLE 'path', USE_SSL false)"
        )
    elif job["headers"]:
        headers = ", ".join(f"'{name}': '{value}'" for name, value in job["headers"].items())
        connection.execute(f"CREATE SECRET (TYPE http, EXTRA_HTTP_HEADERS MAP {{{headers}}})")
    return connection


def main():
    job = json.loads(sys.argv[1])
    base = f"s3://{job['bucket']}/" if job["dialect"] == "s3" else job["endpoint"] + job["path"]
    connections = [connect(job) for _ in range(job["clients"])]
    start = threading.Barrier(job["clients"] + 1)
    latencies_ms: list[float] = []
    answers: dict[str, str] = {}
    errors: list[str] = []

    def client(number: int):
        start.wait()
        for turn in range(job["turns"]):
            statement = (number + turn) % len(job["statements"])
            file = (number + turn * job["stride"]) % len(job["keys"])
            source = f"FROM read_parquet('{base}{job['keys'][file]}')"
            began = time.perf_counter()
            try:
                rows = connections[number].execute(job["statements"][statement].replace("FROM lineitem", source)).fetchall()
            except duckdb.Error as error:
                errors.append(str(error))
                return
            latencies_ms.append((time.perf_counter() - began) * 1e3)
            answers[f"{statement}/{file}"] = str(rows)

    threads = [threading.Thread(target=client, args=(number,)) for number in range(job["clients"])]
    for thread in threads:
        thread.start()
    cpu_began, began = time.process_time(), time.perf_counter()
    start.wait()
    for thread in threads:
        thread.join()
    seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - cpu_began
    result = {"seconds": seconds, "cpu_seconds": cpu_seconds, "latencies_ms": latencies_ms, "answers": answers}
    print(json.dumps(result | {"error": errors[0] if errors else None}))


main()
