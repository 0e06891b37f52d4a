"""`larder simulate --trace`: anybody's reads, from a CSV file, by figures that can be had without Larder."""

import csv
import datetime
import io
import json
import random
import subprocess
from collections import OrderedDict
from pathlib import Path
from xml.etree import ElementTree

import pytest

from harness.larder import binary

HEADER = "time,object,bytes,size\n"
DAY = 86_400
REQUEST = 8 << 20
# What reading costs where nothing was measured: seconds before the first byte, and bytes a second.
ORIGIN, SSD = (0.030, 80e6), (0.0001, 2e9)

TINY = """\
time,object,bytes,size
2026-01-01T12:00:00Z,a,80000000,80000000
2026-01-02T12:00:00Z,b,8000000,16000000
2026-01-03T12:00:00Z,a,80000000,80000000
2026-01-04T12:00:00Z,b,8000000,16000000
2026-01-04T13:00:00Z,c,8388609,40000000
"""


def simulate(trace: Path, *arguments) -> subprocess.CompletedProcess:
    command = [binary(), "simulate", "--trace", trace.name, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=280, cwd=trace.parent, check=False)


def report_of(trace: Path, *arguments) -> dict:
    done = simulate(trace, "--json", *arguments)
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout)


def named(report: dict) -> dict[str, dict]:
    return {policy["name"]: policy for policy in report["policies"]}


def requests_of(size: int) -> int:
    """Engines ask storage for 8 MiB at most at a time."""
    return max(1, -(-size // REQUEST))


def saved(size: int) -> float:
    """Seconds that one read of so many bytes saves if the SSD answers it."""
    origin, ssd = (overhead * requests_of(size) + size / speed for overhead, speed in (ORIGIN, SSD))
    return origin - ssd


def test_a_tiny_trace_comes_to_figures_worked_out_by_hand(tmp_path):
    trace = tmp_path / "reads.csv"
    trace.write_text(TINY)
    report = report_of(trace, "--capacity", 1)
    assert "history" not in report
    assert report["capacity_bytes"] == 80_000_000 + 16_000_000 + 40_000_000
    # The first two of four days warm up. Of `a` ten requests and a second of transfer, of `b` one request and a tenth of
    # a second, of `c` a byte too many for one request; less what the SSD takes.
    a = 10 * 0.030 + 1.0 - (10 * 0.0001 + 0.04)
    b = 0.030 + 0.1 - (0.0001 + 0.004)
    c = 2 * 0.030 + 8_388_609 / 80e6 - (2 * 0.0001 + 8_388_609 / 2e9)
    assert report["io_time_possible"] == pytest.approx(a + b + c)
    policies = named(report)
    for name in ("lru", "fifo", "s3fifo", "sieve", "lfu", "lrfu", "gdsf", "whitelist"):
        policy = policies[name]
        # All but the first read of each object.
        assert policy["io_time_saved"] == pytest.approx(a + b), name
        assert policy["request_hit_ratio"] == pytest.approx(11 / 13), name
        assert policy["byte_hit_ratio"] == pytest.approx(88_000_000 / 96_388_609), name
        assert policy["origin_bytes"] == policy["peak_hour_bytes"] == 8_388_609, name
        assert (policy["written_bytes"], policy["preload_bytes"]) == (40_000_000, 0), name
        assert policy["days_worse_than_none"] == 0, name
    # Nothing was read twice within a day.
    assert policies["second-hit"]["io_time_saved"] == policies["second-hit"]["written_bytes"] == 0
    assert report["bounds"]["b1"] == pytest.approx(a + b), "no cache that fills on demand knows `c`"
    assert a + b <= report["bounds"]["b2"] <= a + b + c

    lines = simulate(trace, "--capacity", 1).stdout.splitlines()
    assert lines[0] == "capacity 129.7 MiB; 1.5 s of IO time to be saved"
    rows = {line.split()[0]: line for line in lines if line.strip()}
    headings = " ".join(rows["POLICY"].split())
    assert headings.startswith("POLICY IO TIME SAVED OF ALL BYTE HITS REQUEST HITS ORIGIN PEAK HOUR WRITTEN CHURN WASTED")
    assert set(policies) <= set(rows)
    # Saved, of all, hits by bytes and by requests, from the origin (of `c`, in one hour), written; nothing listed, nor loaded.
    shown = "1.4 s 89.6% 91.3% 84.6% 8.0 MiB 8.0 MiB 38.1 MiB - -".split()
    assert rows["lru"].split()[1:14] == shown
    assert lines[-1].startswith("No cache that fills on demand saves more than 1.4 s (89.6%), none that loads ahead")


START = datetime.datetime(2026, 1, 5, 6, tzinfo=datetime.UTC)
DAYS = 40
LOOSE = [
    "models/ranker, v2.bin",
    'exports/"final".csv',
    "données/été.parquet",
    "日志/访问.gz",
    "one two.bin",
    "a;b|c.bin",
]


def generated(seed: int) -> list[tuple[datetime.datetime, str, str, int, int]]:
    """Reads of 40 days: when, of which object, in which item it is, how many bytes, and of how many."""
    chance = random.Random(seed)
    sizes: dict[str, int] = {}
    reads = []
    for day in range(DAYS):
        # No two at once: their order would be that of the lines.
        for second in chance.sample(range(DAY), chance.randrange(40, 80)):
            at = START + datetime.timedelta(days=day, seconds=second)
            if chance.random() < 0.3:
                object_name = item = chance.choice(LOOSE)
            else:
                # Before two in the morning a night's day is the one before; a partition is read once its date is over.
                date = (at - datetime.timedelta(days=1 + min(chance.randrange(1, 40), chance.randrange(1, 40)))).date()
                region = chance.choice(["Zürich", "a, b", "eu"])
                item = f"lake/sales/region={region}/dt={date}/"
                object_name = f"{item}part-{chance.randrange(3)}.parquet"
            size = sizes.setdefault(object_name, chance.randrange(1, 200_000_000))
            reads.append((at, object_name, item, max(1, int(size * chance.random())), size))
    return sorted(reads)


def write(path: Path, reads: list, time) -> Path:
    lines = io.StringIO()
    rows = csv.writer(lines, lineterminator="\n")
    rows.writerows([time(at), name, read, size] for at, name, _, read, size in reads)
    path.write_text(HEADER + lines.getvalue())
    return path


def lru(reads: list, capacity: int, measured_from: int) -> tuple[float, int, int, int]:
    """Seconds saved, bytes and requests hit, and bytes written by the least clever cache of whole items."""
    item_bytes: dict[str, int] = {}
    for item, name, size in {(item, name, size) for _, name, item, _, size in reads}:
        item_bytes[item] = item_bytes.get(item, 0) + size
    held: OrderedDict[str, int] = OrderedDict()
    seconds, hit_bytes, hit_requests, written = 0.0, 0, 0, 0
    for at, _, item, read, _ in reads:
        counts = night_day(at) - night_day(reads[0][0]) >= measured_from
        if item in held:
            held.move_to_end(item)
            if counts:
                seconds, hit_bytes = seconds + saved(read), hit_bytes + read
                hit_requests += requests_of(read)
        elif item_bytes[item] <= capacity:
            held[item] = item_bytes[item]
            while sum(held.values()) > capacity:
                held.popitem(last=False)
            written += item_bytes[item] * counts
    return seconds, hit_bytes, hit_requests, written


def night_day(at: datetime.datetime) -> int:
    """A day goes from two in the morning to the next."""
    return int(at.timestamp() - 2 * 3600) // DAY


@pytest.mark.parametrize("capacity", [0.1, 0.3, 10])
def test_lru_of_a_generated_trace_is_what_a_dozen_lines_of_python_make_of_it(tmp_path, capacity):
    reads = generated(seed=14)
    trace = write(tmp_path / "reads.csv", reads, lambda at: at.isoformat())
    report = report_of(trace, "--capacity", capacity)

    first = night_day(reads[0][0])
    days = night_day(reads[-1][0]) - first + 1
    # Half of a trace of less than 60 days warms up. Capacity is a share of what the last 30 days touched.
    warm = days // 2
    assert days in (DAYS, DAYS + 1)
    touched = {item for at, _, item, _, _ in reads if night_day(at) - first >= days - 30}
    # An item is all of its objects that the trace tells of, also those read before.
    objects = {(name, size) for _, name, item, _, size in reads if item in touched}
    assert report["capacity_bytes"] == int(sum(size for _, size in objects) * capacity)
    measured = [read for at, _, _, read, _ in reads if night_day(at) - first >= warm]
    assert report["io_time_possible"] == pytest.approx(sum(map(saved, measured)))
    seconds, hit_bytes, hit_requests, written = lru(reads, report["capacity_bytes"], warm)
    policy = named(report)["lru"]
    assert policy["io_time_saved"] == pytest.approx(seconds) and seconds > 0
    assert policy["byte_hit_ratio"] == pytest.approx(hit_bytes / sum(measured))
    assert policy["request_hit_ratio"] == pytest.approx(hit_requests / sum(map(requests_of, measured)))
    assert policy["written_bytes"] == written > 0
    assert policy["origin_bytes"] == sum(measured) - hit_bytes
    if capacity == 10:
        first_of = {item: at for at, _, item, _, _ in reversed(reads)}
        again = [read for at, _, item, read, _ in reads if night_day(at) - first >= warm and first_of[item] != at]
        assert policy["io_time_saved"] == pytest.approx(sum(map(saved, again))), "all but the first read of each item"
    for policy in report["policies"]:
        if not policy["preload_bytes"]:
            assert policy["io_time_saved"] <= report["bounds"]["b1"] + 1e-6, policy["name"]
        assert policy["io_time_saved"] <= report["bounds"]["b2"] + 1e-6, policy["name"]


def test_how_times_are_written_makes_no_difference(tmp_path):
    reads = generated(seed=15)
    zone = datetime.timezone(datetime.timedelta(hours=8))
    by_date = write(tmp_path / "dates.csv", reads, lambda at: at.isoformat())
    report = report_of(by_date, "--capacity", 0.2)
    spellings = {
        "seconds": lambda at: int(at.timestamp()),
        "fractions": lambda at: f"{at.timestamp():.0f}.25",
        "elsewhere": lambda at: at.astimezone(zone).isoformat(),
    }
    for name, spelling in spellings.items():
        other = write(tmp_path / f"{name}.csv", reads, spelling)
        assert report_of(other, "--capacity", 0.2) == report, name
    # As a spreadsheet saves it.
    windows = tmp_path / "windows.csv"
    windows.write_bytes(b"\xef\xbb\xbf" + by_date.read_bytes().replace(b"\n", b"\r\n"))
    assert report_of(windows, "--capacity", 0.2) == report


def test_lines_may_come_in_any_order(tmp_path):
    reads = generated(seed=15)
    mixed = random.Random(3).sample(reads, len(reads))
    reports = [
        report_of(write(tmp_path / f"{name}.csv", lines, lambda at: at.isoformat()), "--capacity", 0.2)
        for name, lines in (("sorted", reads), ("mixed", mixed))
    ]
    # Those that choose by night may choose another of two items that are worth the same.
    for report in reports:
        at_each_read = {"lru", "fifo", "s3fifo", "sieve", "lfu", "lrfu", "gdsf", "second-hit"}
        report["policies"] = {
            name: {figure: value for figure, value in policy.items() if not figure.startswith("regret")}
            for name, policy in named(report).items()
            if name in at_each_read
        }
        assert report["policies"].keys() == at_each_read
    assert reports[0] == reports[1]


def test_a_curve_of_a_trace_is_drawn_and_goes_through_what_a_simulation_saves(tmp_path):
    trace = write(tmp_path / "reads.csv", generated(seed=16), lambda at: at.isoformat())
    curve = report_of(trace, "--curve", "--svg", "curve.svg")
    assert (curve["sample"], curve["reads"]) == (1.0, trace.read_text().count("\n") - 1)
    points = curve["points"]
    assert len(points) == 12 and points[0]["capacity_fraction"] == pytest.approx(0.005)
    assert points[-1]["capacity_fraction"] == 1 and points[-1]["capacity_bytes"] == curve["touched_bytes"]
    whole = report_of(trace, "--capacity", 1)
    for policy in points[-1]["policies"]:
        expected = named(whole)[policy["name"]]["io_time_saved"] / whole["io_time_possible"]
        assert policy["saved"] == pytest.approx(expected), policy["name"]
    assert points[-1]["b2"] == pytest.approx(whole["bounds"]["b2"] / whole["io_time_possible"])

    drawing = ElementTree.parse(tmp_path / "curve.svg").getroot()
    lines = [element for element in drawing.iter() if element.tag.endswith("polyline")]
    assert len(lines) == len(points[0]["policies"]) + 2, "one a policy, and the two bounds"
    assert all(len(line.get("points").split()) == 12 for line in lines)
    words = "".join(drawing.itertext())
    for policy in points[0]["policies"]:
        assert policy["name"] in words
    assert f"{curve['reads']} reads" in words

    shown = simulate(trace, "--curve").stdout.splitlines()
    assert shown[0].endswith(f"touched in 30 days; {curve['reads']} reads")
    heading = next(at for at, line in enumerate(shown) if line.lstrip().startswith("CAPACITY"))
    names = [policy["name"].upper() for policy in points[0]["policies"]]
    assert shown[heading].split() == ["CAPACITY", "SIZE", *names, "B1", "B2"]
    shares = [policy["saved"] for policy in points[-1]["policies"]] + [points[-1]["b1"], points[-1]["b2"]]
    last = shown[heading + 12].split()
    assert last[0] == "100.0%" and last[3:] == [f"{share * 100:.1f}%" for share in shares]


GOOD = "2026-01-01T12:00:00Z,lake/a,5,10\n"
BAD = {
    "nothing at all": ("", 1, "header"),
    "no header": (GOOD, 1, "the header must be `time,object,bytes,size`"),
    "another header": ("when,object,bytes,size\n" + GOOD, 1, "the header must be"),
    "a word for a time": (HEADER + GOOD + "yesterday,o,5,10\n", 3, "time `yesterday` is neither RFC 3339 nor seconds"),
    "a date without a time": (HEADER + "2026-01-02,o,5,10\n", 2, "time `2026-01-02`"),
    "a time without a zone": (HEADER + "2026-01-02T12:00:00,o,5,10\n", 2, "time `2026-01-02T12:00:00`"),
    "a day that is none": (HEADER + "2026-02-30T12:00:00Z,o,5,10\n", 2, "time `2026-02-30T12:00:00Z`"),
    "a time before 1970": (HEADER + "-5,o,5,10\n", 2, "time `-5`"),
    "milliseconds": (HEADER + GOOD + "1767225600000,o,5,10\n", 3, "time `1767225600000`"),
    "not a number for a time": (HEADER + "NaN,o,5,10\n", 2, "time `NaN`"),
    "no time": (HEADER + ",o,5,10\n", 2, "time ``"),
    "no object": (HEADER + GOOD + GOOD + "1767441600,,5,10\n", 4, "object is empty"),
    "bytes below zero": (HEADER + "1767441600,o,-5,10\n", 2, "bytes `-5` is not a whole number"),
    "a part of a byte": (HEADER + "1767441600,o,5.5,10\n", 2, "bytes `5.5` is not a whole number"),
    "bytes with a unit": (HEADER + "1767441600,o,5MiB,10\n", 2, "bytes `5MiB`"),
    "no size": (HEADER + "1767441600,o,5,\n", 2, "size `` is not a whole number"),
    "more than there is": (HEADER + "1767441600,o,11,10\n", 2, "bytes 11 is more than the object's size 10"),
    "more than a petabyte": (HEADER + "1767441600,o,11,1125899906842625\n", 2, "size 1125899906842625"),
    "beyond 64 bits": (HEADER + "1767441600,o,1,99999999999999999999\n", 2, "size `99999999999999999999`"),
    "a field too few": (HEADER + GOOD + "1767441600,o,5\n", 3, "3 fields"),
    "a field too many": (HEADER + GOOD + "1767441600,a,b,5,10\n", 3, "5 fields"),
    "a quote without an end": (HEADER + GOOD + '1767441600,"o,5,10\n', 3, "2 fields"),
    "after a name of two lines": (HEADER + '1767441600,"a\nb",5,10\nyesterday,o,5,10\n', 4, "time `yesterday`"),
    "not UTF-8": (HEADER.encode() + GOOD.encode() + b"1767441600,\xff,5,10\n", 3, "UTF-8"),
}
USELESS = {
    "no reads": (HEADER, "holds no reads"),
    "one day": (HEADER + GOOD + GOOD, "spans less than two days"),
    # From 1970 to 2026.
    "a time of another unit": (HEADER + GOOD + "1767441,lake/a,5,10\n", "spans more than 10 years"),
}


def refused(tmp_path, content: str | bytes, *arguments) -> str:
    """What is said of a trace that cannot be replayed. Nothing is printed, nor written beside it."""
    trace = tmp_path / "reads, of évery kind.csv"
    trace.write_bytes(content if isinstance(content, bytes) else content.encode())
    done = simulate(trace, *arguments)
    assert done.returncode == 1 and done.stdout == "", (done.returncode, done.stdout)
    assert [file.name for file in tmp_path.iterdir()] == [trace.name]
    assert trace.name in done.stderr and "panicked" not in done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
    return done.stderr


@pytest.mark.parametrize("arguments", [["--json"], ["--curve", "--svg", "curve.svg"]], ids=["simulation", "curve"])
@pytest.mark.parametrize("content, line, problem", BAD.values(), ids=BAD)
def test_a_bad_line_is_named_and_nothing_is_written(tmp_path, content, line, problem, arguments):
    said = refused(tmp_path, content, *arguments)
    assert problem in said, said
    # The CSV reader's own words have the line in parentheses.
    assert f"line {line}:" in said or f"line: {line}," in said or f"line {line}," in said, said


@pytest.mark.parametrize("content, problem", USELESS.values(), ids=USELESS)
def test_a_trace_that_says_nothing_is_refused(tmp_path, content, problem):
    assert problem in refused(tmp_path, content)


def test_a_trace_that_is_no_file_is_named(tmp_path):
    for arguments, problem in ((["absent.csv"], "No such file"), (["."], "directory")):
        command = [binary(), "simulate", "--trace", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, cwd=tmp_path, check=False)
        assert done.returncode == 1 and done.stdout == ""
        assert arguments[0] in done.stderr and problem in done.stderr
