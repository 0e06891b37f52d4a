"""Spark SQL over an Iceberg REST catalog. Iceberg is made for certain versions of Spark and is behind pyspark's, so this is Spark's
own jars of one that it is made for, and no Python."""

import os
from pathlib import Path

from . import parts
from .iceberg import WAREHOUSE
from .origin import KEY, REGION, SECRET
from .spark import Session

LOCK = Path(__file__).with_name("spark-iceberg.lock")
# What Spark's own scripts open to it.
OPENED = "lang lang.invoke lang.reflect io net nio util util.concurrent util.concurrent.atomic"
JVM = ["-Xmx900m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "--add-opens=java.base/sun.nio.ch=ALL-UNNAMED"]
JVM += [f"--add-opens=java.base/java.{package}=ALL-UNNAMED" for package in OPENED.split()]


class SparkOverIceberg(Session):
    """A session whose catalog `lake` is at `uri`, and `lake_direct` the same tables at `direct`. It knows the storage's keys and
    not Larder's."""

    def __init__(self, folder: Path, uri: str, direct: str):
        folder.mkdir(parents=True)
        catalog = {
            "type": "rest",
            "warehouse": WAREHOUSE,
            "io-impl": "org.apache.iceberg.aws.s3.S3FileIO",
            "client.region": REGION,
            "s3.access-key-id": KEY,
            "s3.secret-access-key": SECRET,
        }
        settings = {
            "spark.master": "local[2]",
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.local.dir": folder / "local",
            "spark.ui.enabled": "false",
            "spark.sql.shuffle.partitions": "2",
            "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
        }
        for name, address in {"lake": uri, "lake_direct": direct}.items():
            settings[f"spark.sql.catalog.{name}"] = "org.apache.iceberg.spark.SparkCatalog"
            settings |= {f"spark.sql.catalog.{name}.{key}": value for key, value in (catalog | {"uri": address}).items()}
        line = [*parts.java_command(17, folder), *JVM, "-cp", ":".join(map(str, parts.jars(LOCK)))]
        line += [Path(__file__).with_name("SparkShell.java"), *(f"{key}={value}" for key, value in settings.items())]
        super().__init__(line, folder, os.environ | {"SPARK_LOCAL_IP": "127.0.0.1"})
