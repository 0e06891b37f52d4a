"""What the tests themselves stand on."""

import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

# All go through the same ports in the same order, beside those that the suite takes.
ASK = """
import sys
from harness import process
process.PORTS = iter(range(30_001, 32_001))
print(*[process.free_port() for _ in range(500)], flush=True)
sys.stdin.read()
"""


@contextmanager
def ports():
    """Those that another process has asked for, which ends by force."""
    here = Path(__file__).parent
    with subprocess.Popen(
        [sys.executable, "-c", ASK], cwd=here, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as asking:
        try:
            found = asking.stdout.readline().split()
            assert len(set(found)) == 500
            yield set(found)
        finally:
            asking.kill()


def test_a_port_is_one_processs_until_that_ends():
    with ports() as one:
        with ports() as other:
            assert not one & other
        with ports() as third:
            assert third & other and not third & one
