"""Protocol suites of other projects against the S3 endpoint. `protocol_cases.toml` names every case of theirs: those that
pass, and for each other one the reason."""

import json
import os
import re
import shutil
import tomllib
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from harness.origin import KEY, REGION, SECRET, versitygw
from harness.process import free_port
from harness.suites import Stand, run

LISTS = tomllib.loads((Path(__file__).parent / "protocol_cases.toml").read_text())


def listed(suite: str) -> tuple[list[str], dict[str, str], list[str]]:
    """The cases of a suite that must pass, those that must fail with part of what they then say, and the patterns of those
    that are left out."""
    differs = {case: says for group in LISTS[suite].get("differs", []) for case, says in group["cases"].items()}
    left_out = [like for group in LISTS[suite].get("left_out", []) for like in group["cases"]]
    return LISTS[suite]["passes"], differs, left_out


def unlisted(suite: str, cases: set[str]) -> list[str]:
    """What is wrong with the list, of a suite that has these cases."""
    passes, differs, left_out = listed(suite)
    wrong = [f"there is no case {case}" for case in [*passes, *differs] if case not in cases]
    wrong += [f"no case is like {like}" for like in left_out if not any(fnmatchcase(case, like) for case in cases)]
    for case in sorted(cases):
        places = passes.count(case) + (case in differs) + any(fnmatchcase(case, like) for like in left_out)
        if places != 1:
            wrong.append(f"{case} is listed {places} times")
    return wrong


def unexpected(suite: str, problems: dict[str, str]) -> list[str]:
    """The cases that did not end as the list says; `problems` has what went wrong with those that failed."""
    passes, differs, _ = listed(suite)
    wrong = [f"{case} failed: {problems[case]}" for case in passes if case in problems]
    wrong += [f"{case} passes now: list it so" for case in differs if case not in problems]
    others = [case for case, says in differs.items() if case in problems and not is_in(says, problems[case])]
    return wrong + [f"{case} fails otherwise: {problems[case]}" for case in others]


def is_in(says: str, problem: str) -> bool:
    return bool(re.search(".*".join(map(re.escape, says.split("*"))), problem, re.DOTALL))


def test_every_case_of_versitygw_is_listed():
    # Without a server every case fails at once, and has said its name before.
    nowhere = f"http://127.0.0.1:{free_port()}"
    _, printed = run([versitygw(), "test", "-a", KEY, "-s", SECRET, "-e", nowhere, "full-flow", "--parallel"])
    named = {line.split()[1] for line in printed.splitlines() if line.startswith("RUN ")}
    assert len(named) > 600, printed[-2000:]
    named = {LISTS["versitygw"]["commands"].get(name, name) for name in named}
    # Some more go by the name of another one; each has a command of its own name.
    _, printed = run([versitygw(), "test", "--help"])
    commands = {line.split()[0].rstrip(",") for line in printed.splitlines() if line.startswith("   ") and line.strip()}
    passes, differs, _ = listed("versitygw")
    assert unlisted("versitygw", named | (commands & {*passes, *differs})) == []


# One after the other, and each by its own name: a case that meets an answer it does not expect may end the whole suite.
@pytest.mark.timeout(600)
def test_versitygw_full_flow(tmp_path):
    stand = Stand(tmp_path, [f"test-bucket-{number}" for number in range(1, 9)])
    passes, differs, _ = listed("versitygw")
    problems = {}
    for case in [*passes, *differs]:
        status, printed = run([versitygw(), "test", "-a", KEY, "-s", SECRET, "-e", stand.front.endpoint, case])
        if status != 0:
            told = re.search(r"^(FAIL|panic).*", printed, re.DOTALL | re.MULTILINE)
            problems[case] = told[0] if told else printed[-500:]
        stand.clear()
    stand.stop()
    assert unexpected("versitygw", problems) == []


def test_s3s_e2e(tmp_path):
    program = os.environ.get("LARDER_S3S_E2E") or shutil.which("s3s-e2e")
    assert program, "s3s-e2e is not installed: start the suite with ./test, which installs it"
    stand = Stand(tmp_path, LISTS["s3s"]["buckets"])
    report = tmp_path / "report.json"
    _, printed = run(
        [program, "--json", report],
        AWS_ENDPOINT_URL=stand.front.endpoint,
        AWS_ACCESS_KEY_ID=KEY,
        AWS_SECRET_ACCESS_KEY=SECRET,
        AWS_REGION=REGION,
    )
    stand.stop()
    assert report.exists(), printed
    cases = {
        f"{suite['name']}/{fixture['name']}/{case['name']}": case
        for suite in json.loads(report.read_text())["suites"]
        for fixture in suite["fixtures"]
        for case in fixture["cases"]
    }
    assert unlisted("s3s", set(cases)) == []
    assert unexpected("s3s", {name: str(case["run"]) for name, case in cases.items() if not case["passed"]}) == []
