"""Spark SQL in local mode, from pyspark: its tables in a metastore, their files at S3; and what all sessions of Spark share."""

import json
import os
import subprocess
import sys
from pathlib import Path

from . import origin as origin_module
from .metastore import jars, site_xml
from .parts import jar, java, java_options

PAGE = Path(__file__).parents[3] / "docs" / "spark.md"
# S3A of the Hadoop version that pyspark has, and the SDK it is compiled against.
HADOOP_AWS = ("org.apache.hadoop:hadoop-aws:3.5.0", "66bd9eefb938b1a1657487324b63c13df2d8b17164a1dd24e0ef37b905bc5baa")
AWS_SDK = ("software.amazon.awssdk:bundle:2.35.4", "db4b55f24ad1b4e70f17eb1717a4de76a8dadc5a27d764be7c44ff67b2c1c677")
ACCELERATOR = (
    "software.amazon.s3.analyticsaccelerator:analyticsaccelerator-s3:1.3.1",
    "4959a9747cbb479c73c3ffbcd479bee5b014f8b2880994585a8693fb9d24675e",
)


def s3a_jars() -> list[Path]:
    """What Hadoop reads `s3a://` with."""
    return [jar(*HADOOP_AWS), jar(*AWS_SDK), jar(*ACCELERATOR)]


def s3a(origin) -> dict:
    """Hadoop's configuration of S3A: the test's origin for all buckets."""
    return {
        "fs.s3a.endpoint": origin.direct,
        "fs.s3a.endpoint.region": origin_module.REGION,
        "fs.s3a.access.key": origin_module.KEY,
        "fs.s3a.secret.key": origin_module.SECRET,
        "fs.s3a.path.style.access": "true",
        "fs.s3a.connection.ssl.enabled": "false",
        "fs.s3a.aws.credentials.provider": "org.apache.hadoop.fs.s3a.SimpleAWSCredentialsProvider",
    }


def pasted(endpoint: str, key: str, secret: str) -> dict:
    """Hadoop's configuration of the bucket `warehouse`, in the words of docs/spark.md."""
    words = {"http://127.0.0.1:9000": endpoint, "KEY": key, "SECRET": secret}
    lines = [line.split() for line in PAGE.read_text().splitlines() if line.startswith("spark.hadoop.fs.s3a.bucket.warehouse.")]
    return {name.removeprefix("spark.hadoop."): words.get(value, value) for name, value in lines}


class Session:
    """One Spark session, in a process of its own. `sql` runs a statement in it."""

    def __init__(self, line: list, folder: Path, environment: dict):
        self.log = folder / "spark.log"
        with self.log.open("ab") as errors:
            self.child = subprocess.Popen(
                [str(part) for part in line],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=environment,
                cwd=folder,
                text=True,
            )

    def sql(self, statement: str) -> list[tuple]:
        """The rows of a statement, which is refused with Spark's own message if it fails."""
        self.child.stdin.write(json.dumps(statement) + "\n")
        self.child.stdin.flush()
        line = self.child.stdout.readline()
        if not line:
            raise AssertionError(f"Spark ended\n{self.output()}")
        answer = json.loads(line)
        if "error" in answer:
            raise AssertionError(f"{statement}\n{answer['error']}")
        return [tuple(row) for row in answer["rows"]]

    def output(self, lines: int = 60) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def stop(self):
        self.child.stdin.close()
        try:
            self.child.wait(60)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()


def settings(folder: Path, metastore_port: int, hadoop: dict) -> dict:
    """What a session is told, as `spark-defaults.conf` or otherwise: its tables are this metastore's, and `hadoop` says how it
    reaches their storage."""
    site = {"hive.metastore.uris": f"thrift://127.0.0.1:{metastore_port}", "hadoop.tmp.dir": f"{folder}/hadoop", **hadoop}
    return {
        "spark.master": "local[2]",
        "spark.driver.memory": "900m",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.extraClassPath": ":".join([str(folder / "conf"), *map(str, s3a_jars())]),
        "spark.driver.extraJavaOptions": " ".join(java_options(folder)),
        "spark.ui.enabled": "false",
        "spark.sql.catalogImplementation": "hive",
        "spark.sql.shuffle.partitions": "2",
        "spark.sql.warehouse.dir": f"{folder}/warehouse",
        "spark.sql.hive.metastore.sharedPrefixes": "com.amazonaws,software.amazon",
        # Statistics of a table's files are of no use here, and cost a listing each.
        "spark.sql.statistics.fallBackToHdfs": "false",
        "spark.sql.hive.convertMetastoreParquet": "true",
        **{f"spark.hadoop.{key}": value for key, value in site.items()},
    }


def variables(folder: Path) -> dict:
    """The environment that Spark's programs want."""
    return {
        "JAVA_HOME": str(java(17).parent.parent),
        "SPARK_HOME": str(jars().parent),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_LOCAL_DIRS": str(folder / "local"),
    }


class Spark(Session):
    """A session of pyspark's, with tables in a Hive Metastore."""

    def __init__(self, folder: Path, metastore_port: int, hadoop: dict):
        (folder / "conf").mkdir(parents=True, exist_ok=True)
        told = settings(folder, metastore_port, hadoop)
        # Hive's part of Spark reads the file.
        site = {key.removeprefix("spark.hadoop."): value for key, value in told.items() if key.startswith("spark.hadoop.")}
        (folder / "conf" / "hive-site.xml").write_text(site_xml(site))
        line = [sys.executable, Path(__file__).with_name("spark_session.py"), json.dumps(told)]
        super().__init__(line, folder, os.environ | variables(folder) | {"PYSPARK_PYTHON": sys.executable})
