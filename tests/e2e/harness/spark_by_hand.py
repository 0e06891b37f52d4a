"""What it takes to run `spark-sql` by hand, through a Larder."""

from pathlib import Path

from hmsclient.genthrift.hive_metastore import ttypes

from . import tables
from .larder import WRITER, WRITER_SECRET, s3_bucket
from .metastore import Metastore, client, partition, storage, table
from .origin import Origin
from .process import free_port
from .spark import pasted, s3a, s3a_jars, settings, variables


class SparkByHand:
    """A metastore that knows the TPC-H tables of an S3 server, and a folder of configuration by which `command` asks the Larder
    with `larder_settings`."""

    def __init__(self, folder: Path, origin: Origin):
        self.folder = folder
        self.origin = origin
        self.proxy_port, self.cache_port = free_port(), free_port()
        self.metastore = Metastore(folder / "metastore", s3a(origin), s3a_jars())
        cache = pasted(f"http://127.0.0.1:{self.cache_port}", WRITER, WRITER_SECRET)
        (folder / "conf").mkdir(parents=True)
        told = settings(folder, self.proxy_port, s3a(origin) | cache)
        (folder / "conf" / "spark-defaults.conf").write_text("".join(f"{key} {value}\n" for key, value in told.items()))

    @property
    def command(self) -> str:
        environment = variables(self.folder) | {"SPARK_CONF_DIR": str(self.folder / "conf")}
        said = " ".join(f"{name}={value}" for name, value in environment.items())
        return f"{said} {environment['SPARK_HOME']}/bin/spark-sql"

    def larder_settings(self) -> dict:
        """What a Larder's configuration must say for Spark to meet it."""
        key = {"id": WRITER, "secret": WRITER_SECRET, "buckets": ["*"], "access": "write"}
        return {
            "s3": {"listen": f"127.0.0.1:{self.cache_port}", "keys": [key]},
            "metastore": {"listen": f"127.0.0.1:{self.proxy_port}", "upstream": [self.metastore.url]},
            "bucket": [s3_bucket(self.origin, catalog="hive")],
        }

    def add_tables(self, files: Path):
        """Tells the metastore of the tables whose files lie in the folder `files` too."""
        describe = tables.connect()
        with client(self.metastore.port) as metastore:
            metastore.create_database(ttypes.Database("tpch", "", "s3a://raw/hive/tpch", {}))
            for name in tables.TABLES:
                found = describe.execute(f"DESCRIBE SELECT * FROM '{files}/tpch/{name}/**/*.parquet'").fetchall()
                kinds = {"INTEGER": "int", "VARCHAR": "string"}
                columns = [(column, kinds.get(kind, kind.lower())) for column, kind, *_ in found]
                by = tables.PARTITIONED_BY.get(name, [None])[0]
                sd = storage(f"s3a://raw/hive/tpch/{name}", [column for column in columns if column[0] != by])
                keys = [ttypes.FieldSchema(*column, None) for column in columns if column[0] == by]
                metastore.create_table(table("tpch", name, sd.location, sd=sd, partitionKeys=keys))
                for place in sorted((files / "tpch" / name).glob(f"{by}=*")):
                    part = partition("tpch", name, place.name.split("=")[1], f"{sd.location}/{place.name}")
                    part.sd.cols = sd.cols
                    metastore.add_partitions([part])

    def stop(self):
        self.metastore.stop()
