"""A real HDFS: one NameNode, or two of which one is active, and DataNodes, each a process of its own; and Hadoop's own
commands, by which tests see the files without Larder."""

import base64
import getpass
import shutil
import subprocess
import threading
from pathlib import Path

import requests

from .metastore import site_xml
from .parts import jar, java_command
from .process import Process, free_port, wait_until

JARS = [
    (
        "org.apache.hadoop:hadoop-client-minicluster:3.4.2",
        "ae2406c544825b7734b8aad4f87eff60d9ec422284f0b16c2856032083b63c77",
    ),
    ("org.apache.hadoop:hadoop-client-api:3.4.2", "607c0299f4df33013bd0a0f37c8cf255c635bbaddd247b8fec68c210cc17d19f"),
    ("org.apache.hadoop:hadoop-client-runtime:3.4.2", "18d071c7f72f8a946677b398a57af9c7afa2dd41a81023c310f99373fec200b3"),
]
LOGGING_JARS = [
    ("org.slf4j:slf4j-api:1.7.36", "d3ef575e3e4979678dc01bf1dcce51021493b4d11fb7f1be8ad982877c16a1c0"),
    ("org.slf4j:slf4j-reload4j:1.7.36", "ae6fdd5c9547896114d5ec7fa7503733b7d2890573d3886fb548b3119c4d3f67"),
    ("ch.qos.reload4j:reload4j:1.2.22", "222f90d3e69541218ef6e70547749d693bd4c1846817e5bd7949b3e28950f99f"),
    ("commons-logging:commons-logging:1.3.0", "66d3c980470b99b0c511dad3dfc0ae7b265ec1fb144e96bc0253a8a175fd34d9"),
]
LOGGING = """log4j.rootLogger=INFO,console
log4j.appender.console=org.apache.log4j.ConsoleAppender
log4j.appender.console.target=System.err
log4j.appender.console.layout=org.apache.log4j.PatternLayout
log4j.appender.console.layout.ConversionPattern=%d{ISO8601} %p %c{2}: %m%n
"""
SERVICE = "lake"
# Files of some MiB have several blocks.
BLOCK_BYTES = 1 << 20
USER = getpass.getuser()


def command(folder: Path, main: str, *arguments, heap: str = "256m", options: list = ()) -> list:
    """A Java program of Hadoop's, configured by `folder`."""
    path = ":".join([str(folder), *(str(jar(*pinned)) for pinned in [*JARS, *LOGGING_JARS])])
    line = [*java_command(17, folder), f"-Xmx{heap}", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", *options]
    return [*line, "-cp", path, main, *arguments]


class Daemon:
    """A NameNode or DataNode."""

    def __init__(self, folder: Path, main: str, core: dict, site: dict, options: list = ()):
        self.folder = folder
        folder.mkdir(parents=True)
        (folder / "core-site.xml").write_text(site_xml(core))
        (folder / "hdfs-site.xml").write_text(site_xml(site))
        (folder / "log4j.properties").write_text(LOGGING)
        self.main = f"org.apache.hadoop.hdfs.server.{main}"
        self.options = options
        self.process: Process | None = None
        self.started_at = 0

    def start(self):
        log = self.folder / "daemon.log"
        self.started_at = log.stat().st_size if log.exists() else 0
        line = command(self.folder, self.main, options=self.options)
        self.process = Process(line, log, cwd=self.folder)

    def run(self, *arguments):
        """The program for one errand, such as formatting."""
        line = [str(part) for part in command(self.folder, self.main, *arguments, options=self.options)]
        done = subprocess.run(line, capture_output=True, text=True, cwd=self.folder, check=False)
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"

    @property
    def runs(self) -> bool:
        return self.process is not None and self.process.child.poll() is None

    def printed(self) -> str:
        """What it printed since its last start."""
        with self.process.log.open("rb") as log:
            log.seek(self.started_at)
            return log.read().decode(errors="replace")

    def kill(self):
        self.process.kill()


class Hdfs:
    """A cluster in `folder`. With two NameNodes it is the name service `lake`, whose active one is the first."""

    def __init__(self, folder: Path, name_nodes: int = 1, data_nodes: int = 2, secure: "Secure | None" = None):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.secure = secure
        self.ports = [free_port() for _ in range(name_nodes)]
        self.http_ports = [free_port() for _ in range(name_nodes)]
        self.has_service = name_nodes > 1
        self.active = 0
        options = secure.java_options if secure else []
        core = {"fs.defaultFS": self.url} | (secure.core if secure else {})
        self.site = {
            "dfs.replication": min(2, data_nodes),
            "dfs.blocksize": BLOCK_BYTES,
            "dfs.namenode.fs-limits.min-block-size": 4096,
            # Small pages, so that folders of some hundred files take several calls.
            "dfs.ls.limit": 100,
            "dfs.namenode.safemode.extension": 0,
            # A DataNode that died is noticed within seconds.
            "dfs.heartbeat.interval": 1,
            "dfs.namenode.heartbeat.recheck-interval": 1000,
            "dfs.namenode.avoid.read.stale.datanode": "true",
            "dfs.client.block.write.replace-datanode-on-failure.policy": "NEVER",
            **(self.properties if self.has_service else {}),
            **(secure.site if secure else {}),
        }
        self.name_nodes = [
            Daemon(folder / f"name-node-{i}", "namenode.NameNode", core, self.site | self._name_node_site(i), options)
            for i in range(name_nodes)
        ]
        self.data_nodes = [
            Daemon(folder / f"data-node-{i}", "datanode.DataNode", core, self.site | self._data_node_site(i), options)
            for i in range(data_nodes)
        ]
        self.name_nodes[0].run("-format", "-force", "-nonInteractive")
        for other in self.name_nodes[1:]:
            shutil.copytree(self.name_nodes[0].folder / "name", other.folder / "name")
        for daemon in [*self.name_nodes, *self.data_nodes]:
            daemon.start()
        self.shell = Shell(folder / "shell", core, self.site, secure)
        try:
            self._wait_ready()
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.output()}") from None

    @property
    def url(self) -> str:
        return f"hdfs://{SERVICE}" if self.has_service else f"hdfs://127.0.0.1:{self.ports[0]}"

    @property
    def properties(self) -> dict:
        """What a client must know to find the NameNodes of the name service."""
        return {
            "dfs.nameservices": SERVICE,
            f"dfs.ha.namenodes.{SERVICE}": ",".join(f"nn{i}" for i in range(len(self.ports))),
            **{f"dfs.namenode.rpc-address.{SERVICE}.nn{i}": f"127.0.0.1:{port}" for i, port in enumerate(self.ports)},
            f"dfs.client.failover.proxy.provider.{SERVICE}": (
                "org.apache.hadoop.hdfs.server.namenode.ha.ConfiguredFailoverProxyProvider"
            ),
        }

    def _name_node_site(self, i: int) -> dict:
        suffix = f".{SERVICE}.nn{i}" if self.has_service else ""
        site = {
            "dfs.namenode.name.dir": f"file://{self.folder}/name-node-{i}/name",
            f"dfs.namenode.http-address{suffix}": f"127.0.0.1:{self.http_ports[i]}",
            "dfs.namenode.edits.asynclogging": "false",
        }
        if self.has_service:
            site |= {
                "dfs.ha.namenode.id": f"nn{i}",
                "dfs.namenode.shared.edits.dir": f"file://{self.folder}/shared-edits",
                "dfs.ha.tail-edits.period": "1",
                "dfs.ha.standby.checkpoints": "false",
            }
        return site

    def _data_node_site(self, i: int) -> dict:
        addresses = ("dfs.datanode.address", "dfs.datanode.http.address", "dfs.datanode.ipc.address")
        return {
            "dfs.datanode.data.dir": f"file://{self.folder}/data-node-{i}/data",
            **{name: "127.0.0.1:0" for name in addresses},
        }

    def _wait_ready(self):
        for i, name_node in enumerate(self.name_nodes):
            name_node.process.wait_ready(lambda i=i: self.info(i), 120)
        if self.has_service:
            self.activate(0)
        self.wait_serving()

    def _bean(self, i: int, name: str) -> dict:
        query = {"qry": f"Hadoop:service=NameNode,name={name}"}
        return requests.get(f"http://127.0.0.1:{self.http_ports[i]}/jmx", params=query, timeout=5).json()["beans"][0]

    def wait_serving(self, i: int = 0):
        """Until NameNode `i` is out of safe mode, and knows which DataNodes run and what they have."""
        expected = sum(node.runs for node in self.data_nodes)
        reports = sum(node.runs for node in self.name_nodes)

        def serving():
            # A NameNode counts a DataNode that died as one that lives until it has missed it for some seconds.
            running = [node for node in self.data_nodes if node.runs]
            told = all(node.printed().count("Successfully sent block report") >= reports for node in running)
            state = self._bean(i, "FSNamesystemState")
            return told and state["NumLiveDataNodes"] == expected and not self.info(i)["Safemode"]

        wait_until(serving, 120, f"NameNode {i} with {expected} DataNodes")

    def info(self, i: int) -> dict:
        """What NameNode `i` says of itself."""
        return self._bean(i, "NameNodeInfo")

    def activate(self, i: int):
        """Makes NameNode `i` the active one of the name service."""
        order = ("haadmin", "-transitionToActive", "--forceactive", f"nn{i}")
        wait_until(lambda: self.shell.run(*order) is not None, 60, f"nn{i} active")
        self.active = i

    def fs(self, *arguments) -> str:
        """`hdfs dfs ARGUMENTS`: what it prints."""
        return self.shell.run("fs", *arguments)

    def put(self, path: str, body: bytes):
        """Puts a file in the place of one that may be there, as a job of the platform's does."""
        local = self.folder / "put"
        local.write_bytes(body)
        self.fs("-mkdir", "-p", path.rsplit("/", 1)[0] or "/")
        self.fs("-put", "-f", str(local), path)

    def get(self, path: str) -> bytes:
        local = self.folder / "got"
        local.unlink(missing_ok=True)
        self.fs("-get", "-ignoreCrc", path, str(local))
        return local.read_bytes()

    def files(self, folder: str) -> set[str]:
        """The paths of all files below a folder, those that are hidden and those that are being written among them."""
        lines = self.fs("-ls", "-R", folder).splitlines()
        return {line.split(None, 7)[7] for line in lines if line.startswith("-")}

    def output(self) -> str:
        daemons = [*self.name_nodes, *self.data_nodes]
        return "\n".join(daemon.process.output(30) for daemon in daemons if daemon.process)

    def stop(self):
        self.shell.stop()
        for daemon in [*self.data_nodes, *self.name_nodes]:
            daemon.kill()


class Shell:
    """Hadoop's own commands in a process that stays."""

    def __init__(self, folder: Path, core: dict, site: dict, secure: "Secure | None"):
        folder.mkdir()
        (folder / "core-site.xml").write_text(site_xml(core))
        (folder / "hdfs-site.xml").write_text(site_xml(site))
        (folder / "log4j.properties").write_text(LOGGING.replace("INFO", "WARN"))
        source = Path(__file__).with_name("HadoopShell.java")
        login = [secure.service_principal, secure.keytab] if secure else []
        options = secure.java_options if secure else []
        line = command(folder, str(source), *login, heap="192m", options=options)
        self.log = folder / "shell.log"
        self.lock = threading.Lock()
        with self.log.open("ab") as errors:
            self.child = subprocess.Popen(
                [str(part) for part in line], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True
            )

    def run(self, *fields) -> str:
        with self.lock:
            self.child.stdin.write("\t".join(map(str, fields)) + "\n")
            self.child.stdin.flush()
            answer = self.child.stdout.readline()
        assert answer, f"Hadoop's shell ended\n{self.log.read_text(errors='replace')[-4000:]}"
        status, _, printed = answer.rstrip("\n").partition("\t")
        text = base64.b64decode(printed).decode()
        assert status == "0", f"{' '.join(map(str, fields))}: {status}\n{text}"
        return text

    def stop(self):
        self.child.stdin.close()
        self.child.kill()
        self.child.wait()
