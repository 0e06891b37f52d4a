"""Logs with gaps of days, and logs of a worker whose clock is ahead: the night names the days, and goes on."""

import datetime
import json
import shutil

import pyarrow
import pyarrow.compute
import pyarrow.parquet
import pytest

from harness.larder import s3_bucket

KEY = "tpch/lineitem/l_year=1997/"
AHEAD = datetime.timedelta(days=3)


@pytest.fixture
def larder(start_larder, origin):
    """A daemon that was read from. It does not run, so that its log is on disk."""
    larder = start_larder([s3_bucket(origin, consistency="immutable", catalog="hive")], nightly={"schedule": ""}).start()
    for entry in origin.client().list_objects_v2(Bucket="raw", Prefix=f"hive/{KEY}")["Contents"]:
        key = entry["Key"].removeprefix("hive/")
        larder.client().get_object(Bucket="warehouse", Key=key)["Body"].read()
    larder.stop()
    return larder


def night(larder, day: datetime.date) -> tuple[dict, dict]:
    """The report of a night, which the admin API has too, and its warnings by their codes."""
    report = json.loads(larder.command("nightly", "--date", day, "--json").stdout)
    (kept,) = [stored["report"] for stored in larder.get("nights") if stored["report"]["id"] == report["id"]]
    assert kept["warnings"] == report["warnings"]
    return report, {warning["code"]: warning for warning in report["warnings"]}


def test_days_without_logs_and_logs_from_the_future_are_named(larder):
    access = larder.folder / "logs" / "access"
    folder = max(access.iterdir())
    day = datetime.date.fromisoformat(folder.name.removeprefix("day="))

    def other(days: int):
        return access / f"day={day + datetime.timedelta(days=days)}"

    for days in (-5, -3, 30):
        shutil.copytree(folder, other(days))
    rows = pyarrow.parquet.ParquetFile(next(folder.glob("*.parquet"))).read()
    times = pyarrow.compute.add(rows["time"], pyarrow.scalar(AHEAD))
    ahead = rows.set_column(rows.column_names.index("time"), "time", times)
    pyarrow.parquet.write_table(ahead, folder / "ahead.parquet")
    larder.start()

    report, warnings = night(larder, day)
    missing = [(day + datetime.timedelta(days=days)).isoformat() for days in (-4, -2, -1)]
    assert (warnings["days_missing"]["days"], warnings["days_missing"]["first"]) == (3, missing)
    assert all(name in warnings["days_missing"]["words"] for name in missing), warnings
    future = (day + datetime.timedelta(days=30)).isoformat()
    assert (warnings["days_ahead"]["days"], warnings["days_ahead"]["first"]) == (1, [future])
    found = warnings["rows_ahead"]
    assert (found["rows"], found["days"], found["first"]) == (rows.num_rows, 1, [day.isoformat()])
    assert future not in report["days_ingested"] and report["rows_ingested"] > 0 and report["outcome"]
    printed = larder.command("nightly", "--date", day).stdout
    assert "days have no logs" in printed and "lie in the future" in printed, printed

    # The logs come after all, and the clock is set right: nothing is left to say.
    for days in (-4, -2, -1):
        shutil.copytree(other(-3), other(days))
    shutil.rmtree(other(30))
    (folder / "ahead.parquet").unlink()
    _, warnings = night(larder, day)
    assert not {"days_missing", "days_ahead", "rows_ahead"} & warnings.keys(), warnings
