"""Kerberos for the suite's HDFS: a KDC of Apache Kerby's, keytabs and tickets, and what Hadoop must be told of them."""

import os
import subprocess
from pathlib import Path

from .hdfs import LOGGING_JARS
from .parts import jar, java_command
from .process import free_port

REALM = "LARDER.TEST"
# Kerby's jars are one release; what is no library of its own is named by its checksum.
KERBY = {
    "kerb-admin": "75d8f752bd11269bf0c81f7353f088dedb1807a4bf49673b7c954bc4966bce8d",
    "kerb-client": "7bdd35366f17b5f213920cc065e27dd51a5d600cfed7d481d15e1f900fec2165",
    "kerb-common": "99eeaaa54c3c60d8559e9ef683b64c007d8e060997ed150a33d4b80d58781205",
    "kerb-core": "89247dda5c0e61e8c658ed36109ca6ec662ebae9fa2c40d937466035d023419b",
    "kerb-crypto": "9e368bdc1e8a22e87c775e42d0a15599bdd9e16954f55a964f42ff1d9f94adb2",
    "kerb-identity": "1674b85cc3c3f3a353064b7f38624dcea0f4b27fa57019592bf724832cd8e9a4",
    "kerb-server": "4864f595851380fc0bb6295c228c7f71ef9b64cab73a8777d5426855da6dbc93",
    "kerb-simplekdc": "5d6e018222ea62b502d6443f2cfcf46e763804d4beee1648819c61bd7fc69a48",
    "kerb-util": "59da956d1c65f5ddfe43606ccfcccd1a4508936fb726d01b2f3753b292b97b34",
    "kerby-asn1": "3f1532d2bfa0dd6fec171744a07990c0046e0f2f0f65ca21780b408a3827dbd2",
    "kerby-config": "5137cab8fd70ce322f92a6ab7678f63d2660dab2c14d339dabae9f8e14067d06",
    "kerby-pkix": "aec2d810b0ad3ff939bd4c70ebfce96539642c20f52cb3fbe4852dc827fec2c9",
    "kerby-util": "65afc7a01a6d43b7db9e0a6768a750607fd318656da10a7f654414a5ccf5dc8a",
    "kerby-xdr": "fce44a52fd2f5577f7bd82461429798af1b0ba92bf30739cb450a9c040833a89",
    "token-provider": "acdb18a364884296b8da9e9a192cc0fb460eaccadf3c0db1f2ef9b01d229472d",
}
# NameNode and DataNodes are one principal, whose host is the name that this machine has for 127.0.0.1.
SERVICE = "hdfs/localhost"


class Kdc:
    """A KDC with the principals of HDFS and of `users`; each has a keytab and a ticket in `folder`."""

    def __init__(self, folder: Path, *users: str):
        folder.mkdir(parents=True)
        self.folder = folder
        self.port = free_port()
        (folder / "krb5.conf").write_text(
            f"[libdefaults]\ndefault_realm = {REALM}\nudp_preference_limit = 1\ndns_lookup_kdc = false\n"
            f"dns_lookup_realm = false\nrdns = false\ndns_canonicalize_hostname = false\n"
            f"[realms]\n{REALM} = {{\n kdc = 127.0.0.1:{self.port}\n}}\n"
        )
        jars = [jar(f"org.apache.kerby:{name}:2.0.3", sha256) for name, sha256 in KERBY.items()]
        path = ":".join(str(file) for file in [*jars, *(jar(*pinned) for pinned in LOGGING_JARS)])
        line = [*java_command(17, folder), "-Xmx128m", "-XX:+UseSerialGC", "-cp", path, Path(__file__).with_name("Kdc.java")]
        with (folder / "kdc.log").open("ab") as errors:
            self.child = subprocess.Popen(
                [str(part) for part in [*line, folder, self.port, REALM, SERVICE, *users]],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        if self.child.stdout.readline() != "ready\n":
            self.child.wait()
            raise AssertionError(f"the KDC did not start\n{(folder / 'kdc.log').read_text(errors='replace')}")

    def keytab(self, user: str) -> str:
        return str(self.folder / f"{user.replace('/', '.')}.keytab")

    def ticket(self, user: str) -> str:
        return f"FILE:{self.folder / user.replace('/', '.')}.ccache"

    @property
    def environment(self) -> dict:
        """For programs that use the system's Kerberos: its configuration, and no ticket of the machine's own."""
        return os.environ | {"KRB5_CONFIG": str(self.folder / "krb5.conf"), "KRB5CCNAME": f"FILE:{self.folder}/none"}

    def secures(self) -> "Secure":
        return Secure(self)

    def stop(self):
        self.child.stdin.close()
        self.child.wait(30)


class Secure:
    """What makes an `Hdfs` ask for Kerberos, on its ports and on those of its DataNodes."""

    def __init__(self, kdc: Kdc):
        self.service_principal, self.keytab = f"{SERVICE}@{REALM}", kdc.keytab(SERVICE)
        self.java_options = [f"-Djava.security.krb5.conf={kdc.folder / 'krb5.conf'}"]
        self.core = {
            "hadoop.security.authentication": "kerberos",
            "hadoop.security.authorization": "true",
            "hadoop.rpc.protection": "authentication,integrity,privacy",
        }
        self.site = {
            "dfs.block.access.token.enable": "true",
            "dfs.data.transfer.protection": "integrity",
            # The DataNodes' pages would need certificates, or ports that only root may have.
            "ignore.secure.ports.for.testing": "true",
            "dfs.webhdfs.enabled": "false",
        }
        for role in ("namenode", "datanode"):
            self.site |= {
                f"dfs.{role}.kerberos.principal": self.service_principal,
                f"dfs.{role}.keytab.file": self.keytab,
            }
        self.site["dfs.web.authentication.kerberos.principal"] = self.service_principal
        self.site["dfs.web.authentication.kerberos.keytab"] = self.keytab
