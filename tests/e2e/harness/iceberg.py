"""A real Iceberg REST catalog: Project Nessie's server, whose jar is on Maven Central."""

from pathlib import Path

import requests

from . import origin as origin_module
from .parts import jar, java_command
from .process import Process, free_port

NESSIE = (
    "org.projectnessie.nessie:nessie-quarkus:0.99.0:jar:runner",
    "ce9fa33e2878bf5ea3981876b9e6204cabc0362b3dd82326b10e47271a78c417",
)
WAREHOUSE = "lake"


class IcebergCatalog:
    """A catalog in memory whose tables lie at `location`. It writes their metadata itself, with the storage's own keys. With
    `signs`, clients are told to have each of their requests signed by it."""

    def __init__(self, folder: Path, origin, location: str, signs: bool = False):
        folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        storage = "nessie.catalog.service.s3.default-options"
        settings = {
            "quarkus.http.host": "127.0.0.1",
            "quarkus.http.port": self.port,
            "quarkus.management.host": "127.0.0.1",
            "quarkus.management.port": free_port(),
            "nessie.version.store.type": "IN_MEMORY",
            "nessie.catalog.default-warehouse": WAREHOUSE,
            f"nessie.catalog.warehouses.{WAREHOUSE}.location": location,
            f"{storage}.endpoint": origin.direct,
            f"{storage}.region": origin_module.REGION,
            f"{storage}.path-style-access": "true",
            f"{storage}.request-signing-enabled": str(signs).lower(),
            f"{storage}.auth-type": "STATIC",
            f"{storage}.access-key": "urn:nessie-secret:quarkus:storage",
            "storage.name": origin_module.KEY,
            "storage.secret": origin_module.SECRET,
        }
        command = [*java_command(21, folder), "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
        command += [f"-D{key}={value}" for key, value in settings.items()]
        self.process = Process([*command, "-jar", jar(*NESSIE)], folder / "nessie.log", cwd=folder)
        self.process.wait_ready(lambda: requests.get(f"{self.url}/v1/config", timeout=5).ok, seconds=180)

    @property
    def url(self) -> str:
        """What a client takes for the catalog's `uri`."""
        return f"http://127.0.0.1:{self.port}/iceberg"

    def stop(self):
        self.process.stop()
