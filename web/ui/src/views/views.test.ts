// Derivations of the smaller views.

import { describe, expect, it } from "vitest";
import type { Version } from "../api/types";
import { csvOf } from "../parts/csv";
import { returnPath } from "../shell/session";
import { worker } from "../test/daemon";
import { en } from "../text/en";
import { formatOf } from "../text/format";
import { adviceOf } from "./queries/advice";
import { arrangedGroups } from "./queries/Groups";
import { noneWords } from "./queries/none";
import { capacityMax, sliderOf } from "./what-if/slider";
import { compared } from "./whitelist/Diff";
import { proposal } from "./whitelist/Whitelist";
import { healthOf, isFault, tierErrorsOf, unfitTiers } from "./workers/health";
import { configHref } from "./workers/place";
import { found, settingsOf } from "./workers/settings";

describe("advice", () => {
  const reads = [{ table: "a.b.c", partitions: ["d=1"], partitions_total: 1, read_bytes: 1 }];

  it("leads to where something can be done", () => {
    expect(adviceOf({ advice: "not_whitelisted", about: "a.b.c/d=1", reads }, en)).toEqual({
      words: "What it read is not on the whitelist.",
      act: { words: "See why, or pin it", href: "/value?item=a.b.c%2Fd%3D1" },
    });
    expect(adviceOf({ advice: "whitelisted_now", reads }, en).act?.href).toBe("/value?item=a.b.c");
    expect(adviceOf({ advice: "denied", reads }, en).act?.href).toBe("/whitelist?tab=decisions");
  });

  it("leads nowhere where there is nothing to do", () => {
    expect(adviceOf({ advice: "well_served", reads }, en).act).toBeNull();
    expect(adviceOf({ advice: "not_whitelisted", about: null, reads: [] }, en).act).toBeNull();
  });
});

describe("groups of queries", () => {
  it("are sorted by any figure", () => {
    const group = (name: string, seconds: number) => ({
      kind: "user" as const,
      name,
      queries: 1,
      seconds,
      read_bytes: 1,
    });
    expect(
      arrangedGroups([group("a", 1), group("b", 9)], { key: "seconds", descending: true }).map((each) => each.name),
    ).toEqual(["b", "a"]);
    expect(
      arrangedGroups([group("b", 1), group("a", 9)], { key: "name", descending: false }).map((each) => each.name),
    ).toEqual(["a", "b"]);
  });
});

describe("a worker's own page", () => {
  it("is at its admin URL, if that is an address of a page", () => {
    expect(configHref("http://10.0.0.7:9001")).toBe("http://10.0.0.7:9001/workers?tab=config");
    expect(configHref("https://w1.example:9443/")).toBe("https://w1.example:9443/workers?tab=config");
    for (const none of ["", "worker-1:9001", "javascript:alert(1)", "data:text/html,x"])
      expect(configHref(none)).toBeNull();
  });
});

describe("where no query is to be seen", () => {
  const words = (from: string, readTo: string | null, filtered = false) =>
    noneWords({ from, readTo, filtered }, en, formatOf("en"));

  it("it is said whether there was none, or the logs are not read yet", () => {
    expect(words("2026-11-20", null)).toMatch(/No night has read any logs yet/);
    expect(words("2026-11-21", "2026-11-20")).toBe("No night has read these days yet: logs are read up to 20 Nov.");
    expect(words("2026-11-20", "2026-11-20")).toMatch(/tell of no query/);
    expect(words("2026-11-20", "2026-11-20", true)).toMatch(/None of the queries that are kept/);
  });
});

describe("versions", () => {
  const version = (number: number, status: Version["status"] = "published"): Version => ({
    version: number,
    status,
    created: "",
    night: "2026-11-21",
    reason: "",
    items: 1,
    bytes: 1,
    value_seconds: 1,
  });

  it("are compared as the URL says, else the newest with the one before", () => {
    expect(compared([version(5), version(3)], null, null)).toEqual({ from: 3, to: 5 });
    expect(compared([version(5), version(3)], null, 3)).toEqual({ from: 0, to: 3 });
    expect(compared([version(5), version(3)], 1, 5)).toEqual({ from: 1, to: 5 });
    expect(compared([], null, null)).toEqual({ from: 0, to: 0 });
  });

  it("wait for approval only if nothing newer is published", () => {
    expect(proposal([version(5, "proposed"), version(4)])?.version).toBe(5);
    expect(proposal([version(6), version(5, "proposed")])).toBeNull();
    expect(proposal(undefined)).toBeNull();
  });
});

describe("the slider", () => {
  it("spans the curve, and the budget where the curve ends before it", () => {
    const curve = { version: 1, budget_bytes: 1000, points: [] };
    expect(sliderOf(curve)).toEqual({ min: 5, max: 1000, step: 5 });
    expect(
      capacityMax({
        ...curve,
        points: [{ budget_percent: 400, capacity_bytes: 4000, items: 1, bytes: 1, hours_saved: 1 }],
      }),
    ).toBe(4000);
    expect(sliderOf({ version: 1, budget_bytes: 0, points: [] }).step).toBe(1);
  });
});

describe("a worker's health", () => {
  const now = Date.parse("2026-11-22T09:00:00Z");

  it("is what it says of itself, while it speaks", () => {
    const impaired = worker("a");
    impaired.status!.tiers[0]!.state = "slow";
    const losing = worker("b");
    losing.status!.access_records_dropped = 1;
    expect(
      [worker("c"), impaired, losing, { ...worker("d"), status: null }].map((each) => healthOf(each, now)),
    ).toEqual(["well", "impaired", "impaired", "unknown"]);
    expect(healthOf(worker("e"), now + 6 * 60_000)).toBe("silent");
  });
});

describe("a worker's tiers", () => {
  it("are marked where they do not do all of their work", () => {
    const states = ["opening", "in_use", "full", "slow", "out_of_use"] as const;
    const tiers = states.map((state) => ({ tier: "ssd" as const, used_bytes: 1, capacity_bytes: 2, state }));
    expect(unfitTiers(tiers).map(({ state, tone }) => `${state} ${tone}`)).toEqual([
      "full warn",
      "slow warn",
      "out_of_use bad",
    ]);
  });

  it("tell what went wrong, or that nothing did, or nothing at all", () => {
    const count = (kind: "read" | "checksum" | "queue_full", count: number) => ({ tier: "ssd" as const, kind, count });
    const failing = worker("a");
    failing.status!.tier_errors = [count("read", 0), count("checksum", 2), count("queue_full", 5)];
    expect(tierErrorsOf(failing)).toEqual([count("checksum", 2), count("queue_full", 5)]);
    expect(tierErrorsOf(failing)?.map(isFault)).toEqual([true, false]);
    expect(tierErrorsOf(worker("b"))).toEqual([]);
    const older = worker("c");
    delete older.status!.tier_errors;
    expect([older, { ...worker("d"), status: null }].map(tierErrorsOf)).toEqual([null, null]);
  });
});

describe("settings", () => {
  const settings = settingsOf({
    s3: { listen: "0.0.0.0:9000" },
    bucket: [{ name: "a", rule: null }, { name: "b" }],
    names: ["x", "y"],
    none: [],
    on: true,
  });

  it("are lines in the keys' own notation", () => {
    expect(settings.map(({ key, value }) => `${key}=${value}`)).toEqual([
      "s3.listen=0.0.0.0:9000",
      "bucket[0].name=a",
      "bucket[0].rule=–",
      "bucket[1].name=b",
      "names=x, y",
      "none=–",
      "on=true",
    ]);
  });

  it("are found by key or value", () => {
    expect(found(settings, "BUCKET[1]").map((each) => each.value)).toEqual(["b"]);
    expect(found(settings, "9000")).toHaveLength(1);
  });
});

describe("the way back from the sign-in", () => {
  it("never leads to another site", () => {
    expect(returnPath("/queries?user=a")).toBe("/queries?user=a");
    for (const evil of [
      null,
      "https://evil.example",
      "//evil.example",
      "/\\evil.example",
      "javascript:alert(1)",
      "/sign-in?back=/",
    ])
      expect(returnPath(evil)).toBe("/");
  });
});

describe("rows as CSV", () => {
  const text = (rows: Record<string, string | number>[]) =>
    decodeURIComponent(csvOf(rows).split(",").slice(1).join(","));

  it("are quoted where they must be, and never a formula", () => {
    expect(
      text([
        { key: "a,b", value: 'say "x"' },
        { key: "=1+1", value: -2 },
      ]),
    ).toBe('key,value\r\n"a,b","say ""x"""\r\n\'=1+1,-2\r\n');
    expect(text([])).toBe("\r\n");
  });
});
