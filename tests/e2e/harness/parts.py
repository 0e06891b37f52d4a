"""Server software from Maven Central, each file pinned by its checksum, and from Debian: fetched once, kept outside the clone.

`jar`, `jars`, `unpacked`, `debian` and `java_command` are all that a harness part needs; what it starts with them is its own affair.
"""

import fcntl
import getpass
import hashlib
import os
import re
import shutil
import subprocess
import tarfile
import urllib.request
import zipfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

CENTRAL = "https://repo.maven.apache.org/maven2"
JVMS = Path("/usr/lib/jvm")


def home() -> Path:
    """Where all that the suites need is kept: `$LARDER_HOME`, as `./test` sets it."""
    return Path(os.environ.get("LARDER_HOME") or Path.home() / ".cache" / "larder")


@contextmanager
def locked(name: str):
    """Suites run side by side, in several processes: only one of them fetches a part, the others wait for it."""
    folder = home() / "parts"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder


def jar(coordinates: str, sha256: str) -> Path:
    """A file of Maven Central, `group:artifact:version[:extension[:classifier]]`. Another content than the pinned one is
    an error, and is not kept."""
    group, artifact, version, *rest = coordinates.split(":")
    extension = rest[0] if rest else "jar"
    classifier = f"-{rest[1]}" if len(rest) > 1 else ""
    name = f"{artifact}-{version}{classifier}.{extension}"
    with locked(name) as folder:
        file = folder / name
        if not file.exists():
            partial = file.with_suffix(".partial")
            url = f"{CENTRAL}/{group.replace('.', '/')}/{artifact}/{version}/{name}"
            with urllib.request.urlopen(url, timeout=120) as answer, partial.open("wb") as out:
                shutil.copyfileobj(answer, out, 1 << 20)
            with partial.open("rb") as content:
                found = hashlib.file_digest(content, "sha256").hexdigest()
            if found != sha256:
                partial.unlink()
                raise RuntimeError(f"{url} has the sha256 {found}, pinned is {sha256}")
            partial.rename(file)
        return file


def jars(lock: Path) -> list[Path]:
    """The files that a lock names, one by line: coordinates and sha256. What is missing is fetched eight at a time."""
    pinned = [line.split() for line in lock.read_text().splitlines() if not line.startswith("#")]
    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(lambda line: jar(*line), pinned))


def unpacked(coordinates: str, sha256: str, keep=lambda member: True) -> Path:
    """The folder that an archive of Maven Central holds; only the members that `keep` wants are written."""
    archive = jar(coordinates, sha256)
    with locked(f"{archive.name}.unpacked") as folder:
        target = folder / re.sub(r"\.(tar\.gz|zip|jar)$", "", archive.name)
        if not target.exists():
            partial = target.with_name(f"{target.name}.partial")
            shutil.rmtree(partial, ignore_errors=True)
            if archive.name.endswith(".tar.gz"):
                with tarfile.open(archive) as tar:
                    tar.extractall(partial, members=(m for m in tar if keep(m.name)), filter="data")
            else:
                with zipfile.ZipFile(archive) as packed:
                    packed.extractall(partial, members=[name for name in packed.namelist() if keep(name)])
            partial.rename(target)
        # An archive that holds one folder stands for that folder.
        inside = list(target.iterdir())
        return inside[0] if len(inside) == 1 and inside[0].is_dir() else target


def debian(package: str) -> Path:
    """The folder that a package of Debian holds, for the machine's own Debian. Nothing is installed, so anybody may; what the
    package needs beside itself is the caller's to know. The lists that apt looks it up in are fetched for this alone. The
    version is Debian's newest, which is the only one that it keeps; apt checks it by Debian's signature."""
    name = f"debian-{package}"
    with locked(name) as folder:
        target = folder / name
        if not target.exists():
            partial = target.with_name(f"{name}.partial")
            shutil.rmtree(partial, ignore_errors=True)
            for needed in ("state/lists/partial", "cache/archives/partial", "root"):
                (partial / needed).mkdir(parents=True)
            apt = ["apt-get", "-qq", "-o", f"Dir::State={partial}/state", "-o", f"Dir::Cache={partial}/cache"]
            for errand in (["update"], ["download", package]):
                subprocess.run([*apt, "-o", f"APT::Sandbox::User={getpass.getuser()}", *errand], cwd=partial, check=True)
            (file,) = partial.glob("*.deb")
            subprocess.run(["dpkg-deb", "--extract", file, partial / "root"], check=True)
            (partial / "root").rename(target)
            shutil.rmtree(partial)
        return target


def java(at_least: int) -> Path:
    """The `java` of the oldest installed JDK that is new enough: `$LARDER_JAVA`, `$JAVA_HOME`, the system's, the PATH's."""
    homes = [os.environ.get("LARDER_JAVA"), os.environ.get("JAVA_HOME"), *sorted(map(str, JVMS.glob("*")))]
    candidates = [Path(folder) / "bin" / "java" for folder in homes if folder]
    candidates += [Path(found)] if (found := shutil.which("java")) else []
    fit = {version: path for path in reversed(candidates) if (version := _version(path)) and version >= at_least}
    if not fit:
        raise RuntimeError(f"no Java {at_least} or newer is installed: looked at $LARDER_JAVA, $JAVA_HOME, {JVMS}, PATH")
    return fit[min(fit)]


def java_command(at_least: int, folder: Path) -> list:
    """How the line of a Java program begins. What it keeps for a moment, and leaves when it is killed, is below `folder`."""
    return [java(at_least), *java_options(folder)]


def java_options(folder: Path) -> list[str]:
    scratch = folder / "java"
    scratch.mkdir(parents=True, exist_ok=True)
    # The second is for figures of the JVM's own, which are in the system's folder wherever the first points.
    return [f"-Djava.io.tmpdir={scratch}", "-XX:-UsePerfData"]


def _version(path: Path) -> int | None:
    if not path.exists():
        return None
    told = subprocess.run([path, "-version"], capture_output=True, text=True, check=False).stderr
    found = re.search(r'version "(\d+)', told)
    return int(found[1]) if found else None
