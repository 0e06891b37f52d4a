"""A real Prometheus over a real daemon: it scrapes as docs/monitoring.md says, the alert rules are true to their unit tests, and each
panel of the Grafana dashboard shows something."""

import math
import re
from pathlib import Path

import pytest
import yaml

from harness.larder import Larder, s3_bucket
from harness.process import free_port, wait_until
from harness.prometheus import Prometheus, promtool
from test_monitoring import ALERTS, DOCS, alert_rules, dashboard_targets

ALERT_TESTS = ALERTS.with_name("larder_test.yml")
HOT, COLD = "tpch/lineitem/l_year=1997/", "tpch/lineitem/l_year=1993/"


@pytest.fixture(scope="module")
def larder(tmp_path_factory, origin):
    """A daemon with all its parts on and one partition on its SSD."""
    nowhere = f"127.0.0.1:{free_port()}"
    larder = Larder(
        tmp_path_factory.mktemp("prometheus") / "larder",
        [s3_bucket(origin, catalog="hive")],
        hook={"key": "writer"},
        metastore={"listen": f"127.0.0.1:{free_port()}", "upstream": [f"thrift://{nowhere}"]},
        iceberg={"listen": f"127.0.0.1:{free_port()}", "upstream": f"http://{nowhere}"},
    ).start()
    larder.pin("hive.tpch.lineitem/l_year=1997")
    # What a preload brings is in memory too.
    larder.restart()
    yield larder
    assert larder.stop() == 0, larder.process.output()


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory, larder):
    """Prometheus with the lines of the page, but for the workers' addresses."""
    folder = tmp_path_factory.mktemp("prometheus") / "server"
    folder.mkdir()
    (folder / ALERTS.name).write_text(ALERTS.read_text())
    (lines,) = re.findall(r"```yaml\n(.*?)```", (DOCS / "monitoring.md").read_text(), re.DOTALL)
    config = yaml.safe_load(lines)
    config["scrape_configs"][0]["static_configs"] = [{"targets": [larder.admin.removeprefix("http://")]}]
    server = Prometheus(folder, config)
    yield server
    server.stop()


def read(larder, prefix: str):
    client = larder.client()
    for entry in client.list_objects_v2(Bucket="warehouse", Prefix=prefix)["Contents"]:
        assert client.get_object(Bucket="warehouse", Key=entry["Key"])["Body"].read()


def test_the_alert_rules_are_true_to_their_unit_tests():
    promtool("check", "rules", ALERTS)
    promtool("test", "rules", ALERT_TESTS)


def test_each_alert_has_series_that_mean_it_and_series_that_do_not():
    cases = [case for test in yaml.safe_load(ALERT_TESTS.read_text())["tests"] for case in test["alert_rule_test"]]
    names = {rule["alert"] for rule in alert_rules()}
    assert {case["alertname"] for case in cases if case["exp_alerts"]} == names
    assert {case["alertname"] for case in cases if not case["exp_alerts"]} == names


def test_a_rule_that_is_wrong_is_noticed(tmp_path):
    """The checks themselves can fail."""
    for wrong, check in (("> 0.01", "> 0.03"), ("rate(larder_get_errors_total", "rat(larder_get_errors_total")):
        assert wrong in ALERTS.read_text()
        (tmp_path / ALERTS.name).write_text(ALERTS.read_text().replace(wrong, check))
        (tmp_path / ALERT_TESTS.name).write_text(ALERT_TESTS.read_text())
        with pytest.raises(AssertionError):
            promtool("test", "rules", tmp_path / ALERT_TESTS.name)


def test_each_panel_of_the_dashboard_shows_what_was_scraped(larder, prometheus):
    wait_until(lambda: prometheus.values("larder_get_requests_total"), what="the first scrape")
    # From the SSD, then from memory, then from the storage.
    for prefix in (HOT, HOT, COLD):
        read(larder, prefix)
    requests = larder.metric("larder_get_requests_total")
    wait_until(lambda: prometheus.values("larder_get_requests_total") == [requests], what="a scrape after the reads")
    assert prometheus.values("count by (instance) (larder_build_info)") == [1], "what the dashboard's choice of workers lists"
    empty = {}
    for target in dashboard_targets():
        values = prometheus.values(target)
        if not values or not all(map(math.isfinite, values)):
            empty[target] = values
    assert not empty
    for tier in ("memory", "ssd", "origin"):
        (count,) = prometheus.values(f'increase(larder_get_seconds_count{{tier="{tier}"}}[1h])')
        assert count > 0, "the latencies above are those of reads"


def test_no_rule_fails_and_none_of_a_healthy_daemon_is_pending(larder, prometheus):
    wait_until(lambda: all(rule["health"] != "unknown" for rule in prometheus.rules()), what="an evaluation of each rule")
    rules = prometheus.rules()
    assert {rule["name"] for rule in rules} == {rule["alert"] for rule in alert_rules()}
    assert [(rule["name"], rule.get("lastError")) for rule in rules if rule["health"] != "ok"] == []
    assert [(rule["name"], rule["state"]) for rule in rules if rule["state"] != "inactive"] == []


def test_a_daemon_that_stops_is_noticed(larder, prometheus):
    def states() -> dict:
        return {rule["name"]: rule["state"] for rule in prometheus.rules()}

    assert larder.stop() == 0, larder.process.output()
    wait_until(lambda: states()["LarderDown"] == "pending", what="LarderDown")
    larder.start()
    wait_until(lambda: states()["LarderDown"] == "inactive", what="the end of LarderDown")
