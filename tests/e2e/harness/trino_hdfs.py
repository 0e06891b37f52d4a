"""Trino over tables on HDFS that a Hive Metastore tells of."""

from pathlib import Path

from .hdfs import Hdfs
from .larder import WRITER, WRITER_SECRET
from .metastore import Metastore, site_xml
from .origin import REGION
from .process import free_port
from .trino import Trino

# Without it, new files are written to a folder of their own on HDFS, and moved to where they belong.
UNSTAGED = {"hive.temporary-staging-directory-enabled": "false"}


def hive_catalog(site: Path, metastores: list[str], cache: str) -> dict:
    """A catalog of these metastores. HDFS is as the file `site` says, and all that is at S3 is at
    the server `cache`."""
    return {
        "connector.name": "hive",
        "hive.metastore": "thrift",
        "hive.metastore.uri": ",".join(metastores),
        "fs.hadoop.enabled": "true",
        "hive.config.resources": site,
        "fs.native-s3.enabled": "true",
        "s3.endpoint": cache,
        "s3.region": REGION,
        "s3.path-style-access": "true",
        "s3.aws-access-key": WRITER,
        "s3.aws-secret-key": WRITER_SECRET,
        "hive.non-managed-table-writes-enabled": "true",
        "hive.storage-format": "PARQUET",
        "hive.security": "allow-all",
    }


class TrinoOverHdfs(Trino):
    """Trino over `ROOT/SCHEMA/TABLE` on HDFS, as catalogs of one metastore: `hive` asks Larder's metastore proxy; `unstaged` does
    as well, and writes new files in their place at once; `either` asks the metastore itself where the proxy does not answer, and
    `direct` always. The Larder is the one with `larder_settings`."""

    ROOT = "/wh"

    def __init__(self, folder: Path, hdfs: Hdfs):
        self.hdfs = hdfs
        self.proxy_port, self.cache_port = free_port(), free_port()
        self.metastore = Metastore(folder / "metastore", hdfs.properties)
        site = folder / "hdfs-site.xml"
        site.write_text(site_xml(hdfs.properties))
        cache = f"http://127.0.0.1:{self.cache_port}"
        proxy = f"thrift://127.0.0.1:{self.proxy_port}"
        catalogs = {
            "hive": hive_catalog(site, [proxy], cache),
            "unstaged": hive_catalog(site, [proxy], cache) | UNSTAGED,
            "either": hive_catalog(site, [proxy, self.metastore.url], cache),
            "direct": hive_catalog(site, [self.metastore.url], cache),
        }
        try:
            super().__init__(folder / "trino", catalogs)
        except BaseException:
            self.metastore.stop()
            raise

    def larder_settings(self) -> dict:
        """What a Larder's configuration must say for `hive` to meet it."""
        return {
            "s3": {"listen": f"127.0.0.1:{self.cache_port}"},
            "metastore": {"listen": f"127.0.0.1:{self.proxy_port}", "upstream": [self.metastore.url]},
        }

    def add_tables(self, files: Path, schema: str = "tpch"):
        """Puts the tables of the folder `files` to HDFS, and tells the metastore of them."""
        self.hdfs.fs("-mkdir", "-p", self.ROOT)
        self.hdfs.fs("-put", str(files / schema), self.ROOT)
        super().add_tables(files, schema, at=f"{self.hdfs.url}{self.ROOT}")

    def stop(self):
        super().stop()
        self.metastore.stop()
