"""A Hive Metastore of Hive 4, from its archive on Maven Central."""

from .hdfs import JARS
from .metastore import Metastore
from .parts import jar, unpacked

HIVE = (
    "org.apache.hive:hive-standalone-metastore-server:4.0.1:tar.gz:bin",
    "ed96f577df0a4dc800648a7f941d832f42409f89fa4af10c9d7540c8a1f8e24b",
)
# Of what Hadoop would bring, all that it needs.
HADOOP = [
    *JARS,
    ("org.slf4j:slf4j-api:1.7.36", "d3ef575e3e4979678dc01bf1dcce51021493b4d11fb7f1be8ad982877c16a1c0"),
    ("commons-collections:commons-collections:3.2.2", "eeeae917917144a68a741d4c0dff66aa5c5c5fd85593ff217bced3fc8ca783b8"),
    ("org.apache.httpcomponents:httpclient:4.5.13", "6fe9026a566c6a5001608cf3fc32196641f6c1e5e1986d1037ccdbd5f31ef743"),
    ("com.google.code.gson:gson:2.8.9", "d3999291855de495c94c743761b8ab5176cfeabe281a5ab0d8e8d45326fd703e"),
    ("javax.servlet:javax.servlet-api:3.1.0", "af456b2dd41c4e82cf54f3e743bc678973d9fe35bd4d3071fa05c7e5333b8482"),
]


class Metastore4(Metastore):
    """As `Metastore`, whose Hadoop has to be brought along."""

    def classpath(self) -> list:
        hive = unpacked(*HIVE, keep=lambda member: member.endswith(".jar"))
        return [hive / "lib" / "*", *(jar(*pinned) for pinned in HADOOP)]
