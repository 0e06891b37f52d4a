"""The Grafana dashboard and the alert rules ask for what a running daemon has, in queries that Prometheus can read."""

import json
import re
from pathlib import Path

import promql_parser
import pytest
import requests
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from harness.larder import Larder, s3_bucket
from harness.process import free_port

DOCS = Path(__file__).parents[2] / "docs"
DASHBOARD = DOCS / "grafana" / "larder.json"
ALERTS = DOCS / "alerts" / "larder.yml"
# What Prometheus and its scraping add.
SCRAPED_LABELS = {"instance", "job", "le"}
SCRAPED_METRICS = {"up"}
# What a counter, a histogram and an information are called in queries.
SUFFIXES = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"], "info": ["_info"], "gauge": [""]}


def panels(board: dict):
    for panel in board["panels"]:
        yield panel
        yield from panel.get("panels", [])


def dashboard_targets() -> list[str]:
    """What the dashboard's panels ask Prometheus, with what Grafana puts in before it asks."""
    board = json.loads(DASHBOARD.read_text())
    found = [target["expr"] for panel in panels(board) for target in panel.get("targets", [])]
    for variable, value in (("$__rate_interval", "5m"), ("$__range", "1d"), ("$instance", ".*")):
        found = [query.replace(variable, value) for query in found]
    assert len(found) > 20
    return found


def alert_rules() -> list[dict]:
    groups = yaml.safe_load(ALERTS.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def selectors(node) -> list:
    """Every metric that a parsed query asks for."""
    if node is None or isinstance(node, (str, int, float)):
        return []
    if isinstance(node, promql_parser.VectorSelector):
        return [node]
    children = [getattr(node, name, None) for name in ("expr", "lhs", "rhs", "args", "param", "vector_selector")]
    flat = [child for entry in children for child in (entry if isinstance(entry, list) else [entry])]
    return [found for child in flat for found in selectors(child)]


@pytest.fixture(scope="module")
def metrics(tmp_path_factory, origin):
    """Names in `/metrics` of a daemon with all its parts on, with the labels of each that has samples already."""
    upstream = f"127.0.0.1:{free_port()}"
    larder = Larder(
        tmp_path_factory.mktemp("monitoring"),
        [s3_bucket(origin)],
        hook={"key": "writer"},
        metastore={"listen": f"127.0.0.1:{free_port()}", "upstream": [f"thrift://{upstream}"]},
        iceberg={"listen": f"127.0.0.1:{free_port()}", "upstream": f"http://{upstream}"},
    ).start()
    try:
        text = requests.get(f"{larder.admin}/metrics", timeout=30).text
    finally:
        assert larder.stop() == 0, larder.process.output()
    names = {}
    for line in text.splitlines():
        if typed := re.fullmatch(r"# TYPE (\w+) (\w+)", line):
            names |= {typed[1] + suffix: [] for suffix in SUFFIXES[typed[2]]}
        elif sample := re.fullmatch(r"(\w+)(?:\{(.*)\})? \S+", line):
            names[sample[1]].append(dict(re.findall(r'(\w+)="([^"]*)"', sample[2] or "")))
    assert len(names) > 25, text
    assert text.endswith("# EOF\n")
    return names


def assert_there(query: str, metrics: dict):
    found = selectors(promql_parser.parse(query))
    assert found, query
    for selector in found:
        if selector.name in SCRAPED_METRICS:
            continue
        assert selector.name in metrics, f"{selector.name} of `{query}` is not in /metrics"
        samples = metrics[selector.name]
        for matcher in selector.matchers.matchers:
            if not samples or matcher.name in SCRAPED_LABELS:
                continue
            values = {sample.get(matcher.name) for sample in samples}
            wanted = re.compile(matcher.value) if "Re" in str(matcher.op) else re.compile(re.escape(matcher.value))
            matching = [value for value in values if value is not None and wanted.fullmatch(value)]
            assert matching, f"{matcher} of `{query}` selects none of {values}"


def test_each_query_of_the_dashboard_is_read_and_finds_its_metrics(metrics):
    for query in dashboard_targets():
        assert_there(query, metrics)


def test_each_alert_is_read_and_finds_its_metrics(metrics):
    rules = alert_rules()
    assert len({rule["alert"] for rule in rules}) == len(rules) > 5
    for rule in rules:
        assert_there(rule["expr"], metrics)
        assert rule["labels"]["severity"] in ("critical", "warning", "info")
        assert rule["annotations"]["summary"] and rule["annotations"]["description"]
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
        assert re.fullmatch(r"\d+[mh]", rule.get("for", "1m"))


def test_a_metric_that_is_not_there_is_noticed(metrics):
    """The check itself can fail."""
    for query in ("rate(larder_gone_total[5m])", 'larder_tier_state{state="melting"}', 'larder_tier_bytes{tire="ssd"}'):
        with pytest.raises(AssertionError):
            assert_there(query, metrics)
    with pytest.raises(ValueError):
        assert_there("sum(rate(larder_get_requests_total[5m])", metrics)


def test_the_dashboard_can_be_imported():
    board = json.loads(DASHBOARD.read_text())
    variables = {variable["name"]: variable for variable in board["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource" and variables["instance"]["multi"]
    shown = [panel for panel in panels(board) if panel["type"] != "row"]
    assert len({panel["id"] for panel in panels(board)}) == len(list(panels(board)))
    for panel in shown:
        assert panel["title"] and panel["description"] and panel["targets"]
        assert all(target["datasource"]["uid"] == "${datasource}" for target in panel["targets"])
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24


def unknown_to_grafana(board: dict) -> list[str]:
    """What Grafana's own model of a dashboard and its panels does not take over, as paths."""
    register_default_plugins()
    kept = json.loads(json.dumps(Dashboard.from_json(board), cls=JSONEncoder))

    def lost(ours, theirs, path: str) -> list[str]:
        if isinstance(ours, dict) and isinstance(theirs, dict):
            return [place for key, value in ours.items() for place in lost(value, theirs.get(key), f"{path}/{key}")]
        if isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
            return [place for at, value in enumerate(ours) for place in lost(value, theirs[at], f"{path}/{at}")]
        return [] if ours == theirs else [path]

    return lost(board, kept, "")


def test_grafana_knows_each_setting_of_the_dashboard():
    text = DASHBOARD.read_text()
    assert unknown_to_grafana(json.loads(text)) == []
    for known, typo in (("graphTooltip", "graphTooltips"), ("reduceOptions", "reduce"), ("fillOpacity", "fill")):
        assert any(typo in path for path in unknown_to_grafana(json.loads(text.replace(f'"{known}"', f'"{typo}"'))))
