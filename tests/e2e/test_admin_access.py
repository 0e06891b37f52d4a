"""Who may do what at the admin address: tokens, sessions, a proxy's header, and what pages from elsewhere are kept from."""

import csv
import gzip
import io
import json
import subprocess
import threading

import pytest
import requests
from requests.adapters import HTTPAdapter

from harness.larder import binary, s3_bucket
from harness.process import wait_until

OPERATOR, READER = "operator-token-0123456789", "reader-token-0123456789"
# Loopback addresses are many: the proxy is at one, everybody else at 127.0.0.1.
PROXY = "127.0.0.2"
ITEM = "hive.tpch.lineitem/l_year=1997"
BY_PAGE = {"X-Larder-Request": "1"}
EVENT = {
    "query_id": "q1",
    "engine": "trino",
    "user": "ann",
    "created": "2026-01-02T03:04:05Z",
    "ended": "2026-01-02T03:04:06Z",
    "tables": [{"name": "hive.tpch.lineitem", "partitions": ["l_year=1997"], "bytes": 1000}],
}


def bearer(token: str) -> dict:
    return {"Authorization": f"Bearer {token}"}


def from_address(address: str) -> requests.Session:
    """A client whose connections come from an address of this machine."""

    class Adapter(HTTPAdapter):
        def init_poolmanager(self, *arguments, **options):
            super().init_poolmanager(*arguments, source_address=(address, 0), **options)

    session = requests.Session()
    session.mount("http://", Adapter())
    return session


def buckets(origin) -> list[dict]:
    return [s3_bucket(origin, "raw", "s3://raw", catalog="hive")]


@pytest.fixture
def open_larder(start_larder, origin):
    """A daemon without a sign-in, as it is without a word about it."""
    return start_larder(buckets(origin), nightly={"schedule": ""}).start()


@pytest.fixture
def larder(start_larder, origin, tmp_path):
    """A daemon with tokens and a proxy; `get` and `post` are an operator's."""
    (tmp_path / "operator-token").write_text(OPERATOR + "\n")
    admin = {
        "tokens": [
            {"name": "look", "token": READER},
            {"name": "ops", "token_file": str(tmp_path / "operator-token"), "role": "operator"},
        ],
        "proxy": {"header": "X-Forwarded-User", "from": [PROXY], "operators": ["ann"]},
    }
    made = start_larder(buckets(origin), nightly={"schedule": ""}, admin=admin)
    made.admin_headers = bearer(OPERATOR)
    return made.start()


def call(larder, method: str, path: str, session=requests, **options) -> requests.Response:
    return session.request(method, f"{larder.admin}{path}", timeout=30, **options)


def test_without_a_sign_in_everybody_on_the_machine_may_do_everything(open_larder):
    everybody = {"sign_in": False, "person": {"name": "local", "role": "operator"}}
    assert open_larder.get("session") == everybody
    assert open_larder.post("drop", {"locations": []}).ok
    assert json.loads(open_larder.command("stat", "--count", "1", "--json").stdout)["get_per_second"] == 0


def test_without_a_sign_in_no_page_from_elsewhere_does_anything(open_larder):
    drop = {"json": {"locations": []}}
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "http://evil.example"}, {"Origin": "null"}):
        answer = call(open_larder, "POST", "/api/v1/drop", headers=headers, **drop)
        assert answer.status_code == 403 and "elsewhere" in answer.json()["error"], headers
    assert call(open_larder, "POST", "/api/v1/drop", headers={"Origin": open_larder.admin}, **drop).ok
    # A name that somebody else made mean this machine: the browser would take its page for that name's own.
    for path in ("/", "/metrics", "/api/v1/stat", "/api/v1/whitelist"):
        answer = call(open_larder, "GET", path, headers={"Host": f"evil.example:{open_larder.admin_port}"})
        assert answer.status_code == 403 and "[[admin.tokens]]" in answer.text, path
    # Engines know the machine by names of their own, and are no browsers.
    answer = call(open_larder, "POST", "/api/v1/events/generic", headers={"Host": "worker-1:9001"}, json=EVENT)
    assert answer.ok, answer.text
    answer = call(
        open_larder, "POST", "/api/v1/events/generic", headers={"Host": "x:1", "Origin": "http://x:1"}, json=EVENT
    )
    assert answer.status_code == 403


def test_other_than_loopback_addresses_want_a_sign_in(start_larder, origin):
    larder = start_larder(buckets(origin))
    larder.settings["admin"]["listen"] = f"0.0.0.0:{larder.admin_port}"
    refused = larder.command("serve", check=False)
    assert refused.returncode == 1 and "not a loopback address" in refused.stderr, refused.stderr
    larder.settings["admin"]["tokens"] = [{"name": "look", "token": READER}]
    refused = larder.command("serve", check=False)
    assert refused.returncode == 1 and 'role = "operator"' in refused.stderr, refused.stderr
    larder.settings["admin"]["tokens"].append({"name": "ops", "token": OPERATOR, "role": "operator"})
    larder.settings["admin"]["url"] = larder.admin
    larder.start()
    # With a sign-in the machine may be called by any name.
    answer = call(larder, "GET", "/api/v1/workers", headers={"Host": "worker-1:9001"} | bearer(READER))
    assert [worker["admin_url"] for worker in answer.json()] == [larder.admin]
    assert json.loads(larder.command("stat", "--count", "1", "--json").stdout)["get_per_second"] == 0


def test_with_tokens_only_the_page_health_and_figures_are_open(larder):
    for path in ("/", "/whitelist", "/value/hive.tpch.lineitem", "/sign-in", "/healthz", "/readyz", "/metrics", "/api/"):
        answer = call(larder, "GET", path)
        assert answer.ok, path
    assert call(larder, "GET", "/api/v1/session").json() == {"sign_in": True, "person": None}
    for method, path in (
        ("GET", "/api/v1/stat"),
        ("GET", "/api/v1/config"),
        ("GET", "/api/v1/tables.csv"),
        ("GET", "/api/v1/preload/events"),
        ("GET", "/api/v1/mappings/trino"),
        ("POST", "/api/v1/drop"),
        ("POST", "/api/v1/events/generic"),
    ):
        answer = call(larder, method, path)
        assert answer.status_code == 401 and answer.json()["error"], path
        assert answer.headers["WWW-Authenticate"] == "Bearer"
    page = call(larder, "GET", "/")
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy and "frame-ancestors 'none'" in policy and "script-src" not in policy
    assert page.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert call(larder, "GET", "/nothing").status_code == 404


def test_readers_look_and_operators_change(larder):
    drop = {"locations": []}
    for token, expected in ((READER, 403), (OPERATOR, 200)):
        assert call(larder, "GET", "/api/v1/stat", headers=bearer(token)).ok
        assert call(larder, "POST", "/api/v1/drop", headers=bearer(token), json=drop).status_code == expected
        # The mapping holds a secret of the S3 endpoint.
        assert call(larder, "GET", "/api/v1/mappings/trino", headers=bearer(token)).status_code == expected
        assert call(larder, "POST", "/api/v1/events/generic", headers=bearer(token), json=EVENT).ok
    wrong = call(larder, "GET", "/api/v1/stat", headers=bearer("operator-token-0123456788"))
    assert wrong.status_code == 401
    assert "wrong token" in larder.process.output() and "0123456788" not in larder.process.output()


def test_a_browser_signs_in_and_out(larder):
    browser = requests.Session()
    refused = call(larder, "POST", "/api/v1/session", browser, json={"token": "operator-token-0123456780"})
    assert refused.status_code == 401 and not browser.cookies
    far = {"Sec-Fetch-Site": "cross-site"}
    assert call(larder, "POST", "/api/v1/session", browser, json={"token": OPERATOR}, headers=far).status_code == 403
    answer = call(larder, "POST", "/api/v1/session", browser, json={"token": OPERATOR}, headers=BY_PAGE)
    person = {"sign_in": True, "person": {"name": "ops", "role": "operator"}}
    assert answer.json() == person
    for part in ("HttpOnly", "SameSite=Strict", "Path=/"):
        assert part in answer.headers["Set-Cookie"]
    assert call(larder, "GET", "/api/v1/session", browser).json() == person
    assert call(larder, "GET", "/api/v1/stat", browser).ok
    drop = {"json": {"locations": []}}
    # A form elsewhere brings the cookie along at best, and never the header.
    assert call(larder, "POST", "/api/v1/drop", browser, **drop).status_code == 403
    assert call(larder, "POST", "/api/v1/drop", browser, headers=BY_PAGE | far, **drop).status_code == 403
    assert call(larder, "POST", "/api/v1/drop", browser, headers=BY_PAGE, **drop).ok
    kept = browser.cookies.copy()
    assert call(larder, "DELETE", "/api/v1/session", browser, headers=BY_PAGE).status_code == 204
    assert call(larder, "GET", "/api/v1/stat", cookies=kept).status_code == 401
    assert OPERATOR not in larder.process.output()


def test_a_proxys_header_is_believed_from_its_address_only(larder):
    proxy, header = from_address(PROXY), "X-Forwarded-User"
    for name, role in (("ann", "operator"), ("bob", "reader")):
        answer = call(larder, "GET", "/api/v1/session", proxy, headers={header: name})
        assert answer.json()["person"] == {"name": name, "role": role}
    assert call(larder, "GET", "/api/v1/stat", headers={header: "ann"}).status_code == 401
    assert call(larder, "GET", "/api/v1/stat", proxy).status_code == 401
    drop = {"json": {"locations": []}}
    assert call(larder, "POST", "/api/v1/drop", proxy, headers={header: "ann"}, **drop).status_code == 403
    assert call(larder, "POST", "/api/v1/drop", proxy, headers={header: "ann"} | BY_PAGE, **drop).ok
    assert call(larder, "POST", "/api/v1/drop", proxy, headers={header: "bob"} | BY_PAGE, **drop).status_code == 403


def test_nights_and_commands_sign_in_by_themselves(larder):
    larder.command("whitelist", "pin", ITEM)
    report = json.loads(larder.command("nightly", "--json").stdout)
    assert [(worker["worker"], worker["problem"]) for worker in report["workers"]] == [(larder.admin, None)]
    assert report["workers"][0]["preload"]["items_done"] == 1, report["workers"]
    larder.wait_for_whitelist(1)
    larder.command("preload", ITEM)
    larder.command("drop", ITEM)
    assert json.loads(larder.command("top", "--count", "1", "--json").stdout)["tables"] == []
    # Who may not read the token's file is told which one it is.
    larder.settings["admin"]["tokens"][1]["token_file"] = str(larder.folder / "absent")
    failed = larder.command("stat", "--count", "1", check=False)
    assert failed.returncode == 1 and "`ops`: token_file" in failed.stderr, failed.stderr


def test_trinos_mapping_may_have_a_token_of_its_own(larder):
    larder.settings["hook"] = {"key": "writer", "token": "only-for-the-mapping"}
    larder.restart()
    assert call(larder, "GET", "/api/v1/mappings/trino").status_code == 403
    assert call(larder, "GET", "/api/v1/mappings/trino?token=only-for-the-mapping").ok


def test_the_configuration_in_force_is_shown_without_its_secrets(larder, origin):
    answer = call(larder, "GET", "/api/v1/config", headers=bearer(READER))
    shown = answer.json()
    assert shown["file"] == str(larder.config)
    assert shown["settings"]["cache"]["ssd"]["capacity"] and shown["settings"]["nightly"]["history"]
    assert [key["id"] for key in shown["settings"]["s3"]["keys"]] == ["writer", "analyst", "stranger"]
    raw = shown["settings"]["bucket"][0]
    assert raw["options"] == {"endpoint": origin.endpoint, "region": "us-east-1", "allow_http": "true"}
    secrets = [key["secret"] for key in larder.settings["s3"]["keys"]] + [OPERATOR, READER]
    secrets.append(larder.settings["bucket"][0]["options"]["secret_access_key"])
    for secret in secrets:
        assert secret not in answer.text


def test_listings_come_as_csv_and_packed(larder):
    larder.command("whitelist", "pin", ITEM)
    larder.command("nightly")
    rows = larder.get("tables")
    answer = call(larder, "GET", "/api/v1/tables.csv?limit=100", headers=bearer(READER))
    assert answer.headers["Content-Disposition"] == 'attachment; filename="tables.csv"'
    table = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["table"] for row in table] == [row["table"] for row in rows] != []
    answer = call(larder, "GET", "/api/v1/residency.csv?rows=tiers", headers=bearer(READER))
    assert [row["tier"] for row in csv.DictReader(io.StringIO(answer.text))] == ["memory", "ssd"]
    assert "tiers, items" in call(larder, "GET", "/api/v1/residency.csv", headers=bearer(READER)).json()["error"]
    assert call(larder, "GET", "/api/v1/session.csv").status_code == 406
    assert call(larder, "GET", "/api/v1/preload/events.csv", headers=bearer(READER)).status_code == 406
    assert call(larder, "GET", "/api/v1/nothing.csv", headers=bearer(READER)).status_code == 404
    packed = call(larder, "GET", "/api/openapi.json", headers={"Accept-Encoding": "gzip"}, stream=True)
    assert packed.headers["Content-Encoding"] == "gzip"
    plain = call(larder, "GET", "/api/openapi.json", headers={"Accept-Encoding": "identity"})
    assert "Content-Encoding" not in plain.headers
    assert json.loads(gzip.decompress(packed.raw.read())) == plain.json()


def events(lines):
    """What a browser makes of a stream: the data of each `status`."""
    name = None
    for line in lines:
        if line.startswith("event:"):
            name = line.removeprefix("event:").strip()
        elif line.startswith("data:"):
            assert name == "status"
            yield json.loads(line.removeprefix("data:"))


def test_a_preload_is_told_as_it_goes_and_holds_up_no_end(larder):
    larder.command("whitelist", "pin", ITEM)
    answer = call(larder, "GET", "/api/v1/preload/events", headers=bearer(READER), stream=True)
    assert answer.headers["Content-Type"].startswith("text/event-stream")
    seen, ended = [], threading.Event()

    def watch():
        for event in events(answer.iter_lines(decode_unicode=True)):
            seen.append(event)
        ended.set()

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    wait_until(lambda: seen, what="the first event")
    assert (seen[0]["run"], seen[0]["running"], seen[0]["changed"]) == (0, False, [])
    larder.command("nightly")
    last = wait_until(lambda: seen[-1]["run"] == 1 and not seen[-1]["running"] and seen[-1], what="the end of the run")
    assert (last["items_done"], last["items_total"]) == (1, 1)
    states = [item["state"] for event in seen for item in event["changed"]]
    assert states[-1] == "done" and all(item["item"] == ITEM for event in seen for item in event["changed"])
    assert larder.stop() == 0
    wait_until(ended.is_set, what="the end of the stream")
    assert "still at work" not in larder.process.output()


def test_a_daemon_without_the_file_of_its_token_says_so(start_larder, origin, tmp_path):
    larder = start_larder(buckets(origin))
    token = {"name": "ops", "token_file": str(tmp_path / "absent"), "role": "operator"}
    larder.settings["admin"]["tokens"] = [token]
    line = [binary(), "check-config", "--config", str(larder.config)]
    done = subprocess.run(line, capture_output=True, text=True, timeout=60, cwd=larder.folder, check=False)
    assert done.returncode == 1 and "absent cannot be read" in done.stderr, done.stderr
