"""TPC-H and TPC-DS on Trino, over an origin at a simulated distance: directly, through three caches, and from local files.

`./test trino-bench` runs it. All contenders read the same files by one Trino, each by catalogs of its own that differ in
nothing else. Of what was measured `larder-bench trino` makes the report.
"""

import argparse
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

from harness import queries
from harness.alluxio import Alluxio
from harness.distance import Distance
from harness.larder import WRITER, Larder, binary, s3_bucket
from harness.origin import Origin
from harness.process import wait_until
from harness.trino import JVM, Trino, hive_catalog, mapped

# What each cache may take of the disk; all tables fit. Larder's memory stands beside the page cache that others have.
CAPACITY, MEMORY = "4GB", "1GiB"
# As in tests, but compiled in full: what takes time here is to be what takes time in production.
FULL_JVM = [flag for flag in JVM if not flag.startswith(("-Xmx", "-XX:TieredStopAtLevel"))]
# What is read over the distance in a cold pass, and what is compared in a warm one.
COLD = ("direct", "fs.cache", "alluxio", "larder")
WARM = ("local files", "fs.cache", "alluxio", "larder")
MORNING = ("local files", "direct", "fs.cache", "alluxio", "larder")
CLIENTS, MORNING_QUERIES = 8, 30
# An analyst looks at an answer for so long before the next question, in the mean.
THINKING_SECONDS = 6.0


def progress(text: str):
    print(text, file=sys.stderr, flush=True)


class Site:
    """The lake, the distances, Trino and the caches. Each of these counts for itself what it reads from afar."""

    def __init__(self, folder: Path, scale: float):
        self.folder = folder
        self.origin = Origin(folder / "origin")
        self.origin.client().create_bucket(Bucket="raw")
        self.files_bytes = {}
        for suite in queries.GENERATORS:
            queries.generate(suite, folder / "files", scale)
            self.origin.upload("raw", f"hive/{suite}/", folder / "files" / suite)
            self.files_bytes[suite] = sum(file.stat().st_size for file in (folder / "files" / suite).rglob("*.parquet"))
        self.distances = {name: Distance(folder / f"distance-{name}", self.origin.port) for name in COLD}
        self.mapping = folder / "mapping.json"
        self.mapping.write_text('{"mappings": [{"useClusterDefault": true}]}')
        for name in ("metastore", "local-metastore"):
            (folder / name).mkdir()
        config = {"catalog.management": "dynamic", "query.max-memory-per-node": "2GB"}
        self.trino = Trino(folder / "trino", {}, config=config, jvm=["-Xmx6G", *FULL_JVM])
        self.larder = Larder(
            folder / "larder",
            [s3_bucket(self.distances["larder"], "raw", "s3://raw", "immutable", catalog="hive", list_cache="1h")],
            cache={"memory": MEMORY, "ssd": {"path": str(folder / "larder" / "cache"), "capacity": CAPACITY}},
            nightly={"schedule": "", "budget": "3GB", "landing_poll": "0s"},
            hook={"key": WRITER, "mapping_file": str(self.mapping)},
        )
        self.alluxio: Alluxio | None = None
        self.catalogs: dict[str, str] = {}
        self.made = 0

    def prepare(self):
        """Tells both metastores of the tables, and Larder that all of them are whitelisted, though nothing is loaded."""
        at = "local:///origin/objects/raw/hive"
        for name, location in (("local files", at), ("direct", "s3://raw/hive")):
            self.new_catalog(name)
            for suite in queries.GENERATORS:
                self.trino.add_tables(self.folder / "files", suite, self.catalogs[name], location)
        self.larder.start()
        for suite in queries.GENERATORS:
            for table in sorted((self.folder / "files" / suite).iterdir()):
                self.larder.command("whitelist", "pin", f"hive.{suite}.{table.name}")
        self.larder.command("whitelist", "plan")
        (version,) = json.loads(self.larder.command("whitelist", "history", "--json").stdout)
        self.larder.command("whitelist", "approve", version["version"])
        self.larder.wait_for_whitelist(1)

    def new_catalog(self, name: str):
        """A catalog of the contender that remembers nothing, in the place of the one it had."""
        if name in self.catalogs:
            self.trino.rows(f"DROP CATALOG {self.catalogs[name]}")
        self.made += 1
        catalog = f"c{self.made}"
        given = ", ".join(f"\"{key}\" = '{value}'" for key, value in self._properties(name, catalog).items())
        self.trino.rows(f"CREATE CATALOG {catalog} USING hive WITH ({given})")
        self.catalogs[name] = catalog

    def _properties(self, name: str, catalog: str) -> dict:
        metastore = self.folder / "metastore"
        match name:
            case "local files":
                # The origin's own folder, so the very same files.
                own = hive_catalog(self.folder, "http://127.0.0.1:1") | {"hive.metastore.catalog.dir": "local:///local-metastore"}
            case "fs.cache":
                shutil.rmtree(self.folder / "fs.cache", ignore_errors=True)
                cache = self.folder / "fs.cache" / catalog
                cache.mkdir(parents=True)
                fs_cache = {"fs.cache.enabled": "true", "fs.cache.directories": cache, "fs.cache.max-sizes": CAPACITY}
                own = hive_catalog(metastore, self.distances[name].endpoint) | fs_cache
            case "alluxio":
                own = hive_catalog(metastore, self.alluxio.endpoint)
            case "larder":
                own = mapped(metastore, self.distances[name].endpoint, config_file=self.mapping)
            case _:
                own = hive_catalog(metastore, self.distances[name].endpoint)
        return {key: value for key, value in own.items() if key != "connector.name"}

    def empty(self):
        """Every cache begins again with nothing in it."""
        if self.alluxio:
            self.alluxio.stop()
            shutil.rmtree(self.alluxio.folder)
        self.alluxio = Alluxio(
            self.folder / "alluxio" / str(self.made), self.distances["alluxio"], ["raw"], CAPACITY, ["-Xmx1g", "-XX:+UseG1GC"]
        )
        self.empty_larder()
        for name in MORNING:
            if name != "larder":
                self.new_catalog(name)

    def empty_larder(self):
        self.larder.stop()
        shutil.rmtree(self.larder.folder / "cache")
        self.larder.start()
        self.larder.wait_for_whitelist(1)
        count = sum(1 for suite in queries.GENERATORS for _ in (self.folder / "files" / suite).iterdir())
        wait_until(lambda: self.mapping.read_text().count('"prefix"') == count, what="the tables in Trino's mapping")
        self.new_catalog("larder")

    def preload(self) -> float:
        """Seconds until Larder holds all that is whitelisted."""
        began = time.perf_counter()
        self.larder.command("preload", seconds=600)
        self.larder.wait_for_preload()
        return time.perf_counter() - began

    def traffic(self) -> dict[str, dict[str, int]]:
        return {name: distance.traffic() for name, distance in self.distances.items()}

    def cpu_seconds(self, contender: str) -> dict[str, float]:
        """CPU time that Trino has spent, and the contender's own servers."""
        servers = [self.larder.process] if contender == "larder" else []
        if contender == "alluxio":
            servers = self.alluxio.processes
        return {
            "trino_cpu_seconds": self.trino.process.cpu_seconds(),
            "server_cpu_seconds": sum(server.cpu_seconds() for server in servers),
        }

    def stop(self):
        self.trino.stop()
        self.larder.stop()
        for part in (self.alluxio, *self.distances.values(), self.origin):
            if part:
                part.stop()


class Run:
    """Statements, what they have to answer, and what was measured."""

    def __init__(self, site: Site, every: int):
        self.site = site
        # All of TPC-H; of TPC-DS the first and each so many further ones, by number.
        names = {"tpch": list(queries.statements("tpch")), "tpcds": list(queries.statements("tpcds"))[::every]}
        texts = {suite: queries.statements(suite) for suite in names}
        self.statements = {(suite, name): texts[suite][name] for suite in names for name in names[suite]}
        self.expected: dict[tuple[str, str], list] = {}
        self.failures: list[dict] = []
        self.passes: list[dict] = []
        self.mornings: list[dict] = []
        self.preload_seconds: list[float] = []

    def seconds(self, contender: str, statement: tuple[str, str]) -> float | None:
        """How long a statement took; none if it failed, or answered otherwise than over local files, which is kept."""
        suite, name = statement
        began = time.perf_counter()
        try:
            rows = self.site.trino.rows(self.statements[statement], self.site.catalogs[contender], suite)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is reported
            return self.fail(contender, statement, str(error)[:500])
        took = time.perf_counter() - began
        if not queries.same(self.expected.setdefault(statement, rows), rows):
            return self.fail(contender, statement, "other rows than over local files")
        return took

    def fail(self, contender: str, statement: tuple[str, str], why: str) -> None:
        self.failures.append({"contender": contender, "query": " ".join(statement), "why": why})
        progress(f"FAILED: {contender}, {' '.join(statement)}: {why}")

    def warm_up(self):
        """Trino compiles what it is to run, with local files and with S3. The answers over local files are what all others
        have to be."""
        for statement in self.statements:
            took = [self.seconds(name, statement) for name in ("local files", "direct")]
            progress(f"warm-up: {' '.join(statement)}: {took}")

    def one_pass(self, round: int, temperature: str, contenders: tuple[str, ...]):
        """Each statement by each contender, one after the other; who is first changes from statement to statement."""
        before, times = self.site.traffic(), {name: {} for name in contenders}
        spent = {name: Counter() for name in contenders}
        for at, statement in enumerate(self.statements):
            for turn in range(len(contenders)):
                name = contenders[(at + round + turn) % len(contenders)]
                spent[name].subtract(self.site.cpu_seconds(name))
                times[name][" ".join(statement)] = self.seconds(name, statement)
                spent[name].update(self.site.cpu_seconds(name))
        self.passes += [
            {"round": round, "temperature": temperature, "contender": name, "queries": times[name]}
            | self.read(name, before)
            | spent[name]
            for name in contenders
        ]
        totals = {name: f"{sum(filter(None, found.values())):.1f} s" for name, found in times.items()}
        progress(f"round {round}, {temperature}: {totals}")

    def read(self, contender: str, before: dict) -> dict:
        """What the contender has read from afar since."""
        if contender not in before:
            return {"requests": 0, "bytes": 0}
        now = self.site.distances[contender].traffic()
        return {key: now[key] - before[contender][key] for key in ("requests", "bytes")}

    def morning(self, round: int, hour: str, contender: str):
        """A crowd asks: the same statements and the same pauses for every contender and hour of a round."""
        dice = random.Random(round)
        asked = dice.choices(list(self.statements), k=MORNING_QUERIES)
        pauses = [dice.expovariate(1 / THINKING_SECONDS) for _ in asked]
        for distance in self.site.distances.values():
            distance.begin(hour)
        before, times = self.site.traffic(), [None] * len(asked)

        def analyst(number: int):
            for at in range(number, len(asked), CLIENTS):
                time.sleep(pauses[at])
                times[at] = self.seconds(contender, asked[at])

        crowd = [threading.Thread(target=analyst, args=(number,)) for number in range(CLIENTS)]
        for one in crowd:
            one.start()
        for one in crowd:
            one.join()
        for distance in self.site.distances.values():
            distance.begin("quiet")
        found = {"round": round, "hour": hour, "contender": contender, "seconds": times} | self.read(contender, before)
        self.mornings.append(found)
        ordered = sorted(filter(None, times))
        progress(f"round {round}, {hour} morning, {contender}: median {ordered[len(ordered) // 2]:.2f} s, slowest {ordered[-1]:.2f} s")

    def told(self) -> dict:
        """All that the report is made of."""
        return {
            "clients": CLIENTS,
            "thinking_seconds": THINKING_SECONDS,
            "memory": MEMORY,
            "capacity": CAPACITY,
            "distance": self.site.distances["direct"].describe(),
            "files_bytes": self.site.files_bytes,
            "preload_seconds": self.preload_seconds,
            "passes": self.passes,
            "mornings": self.mornings,
            "failures": self.failures,
        }

    def round(self, round: int):
        self.site.empty()
        self.one_pass(round, "cold", COLD)
        self.site.empty_larder()
        self.preload_seconds.append(self.site.preload())
        self.one_pass(round, "warm", WARM)
        for turn in range(len(MORNING)):
            contender = MORNING[(turn + round) % len(MORNING)]
            for hour in ("quiet", "busy")[:: 1 if round % 2 else -1]:
                self.morning(round, hour, contender)


def main() -> int:
    parser = argparse.ArgumentParser(prog="./test trino-bench", description=__doc__)
    parser.add_argument("--scale", type=float, default=0.3, help="of both suites (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="medians are taken over them (default %(default)s)")
    parser.add_argument("--every", type=int, default=3, help="of TPC-DS, each so many queries; 1 for all (default %(default)s)")
    parser.add_argument("--measured", type=Path, help="a file that what was measured goes to as well, after each round")
    parser.add_argument("--record", action="store_true", help="write the report to bench/RESULTS.md")
    options = parser.parse_args()
    # Whoever ends it means its servers too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with tempfile.TemporaryDirectory(prefix="larder-trino-bench-") as name:
        site = Site(Path(name), options.scale)
        try:
            site.prepare()
            run = Run(site, options.every)
            run.warm_up()
            measured = options.measured or Path(name) / "measured.json"
            for round in range(1, options.rounds + 1):
                run.round(round)
                # After each round, so that what was measured outlives what comes after it.
                measured.write_text(json.dumps({"scale": options.scale, "every": options.every} | run.told(), indent=1))
        finally:
            site.stop()
        report = [binary("larder-bench"), "trino", "--measured", str(measured)]
        return subprocess.run([*report, "--record"] if options.record else report, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
