import { describe, expect, it } from "vitest";
import { table, usage, point, worker } from "../../test/daemon";
import { en } from "../../text/en";
import { formatOf } from "../../text/format";
import { zh } from "../../text/zh";
import { sentence } from "./Attention";
import { capacityUse } from "./capacityUse";
import { attention, type Seen } from "./notices";

const codes = (seen: Seen) => attention(seen).map((notice) => notice.code);
const version = (number: number, status: "published" | "proposed" = "published") => ({
  version: number,
  status,
  created: "2026-11-22T02:00:00Z",
  night: "2026-11-21",
  reason: "",
  items: 1,
  bytes: 1,
  value_seconds: 1,
});
const preload = {
  run: 1,
  version: 3,
  running: false,
  bytes_total: 10,
  bytes_loaded: 5,
  bytes_resident: 0,
  items: [],
  total: { items: 9, waiting: 0, loading: 0, done: 9, failed: 0, left_out: 0, first_not_loaded: null },
};

describe("attention", () => {
  it("is asked for nothing where all is well, or nothing is known", () => {
    expect(codes({})).toEqual([]);
    expect(
      codes({
        workers: [worker("a")],
        versions: [version(3)],
        usage: usage([point("2026-11-22", 1, 1)]),
        preload,
        nights: [],
      }),
    ).toEqual([]);
  });

  it("says what could not be asked, once", () => {
    expect(attention({ failures: ["the store is down", "the store is down"] })).toMatchObject([
      { code: "not_asked", level: "bad" },
    ]);
  });

  it("is asked for tiers that fail, and for workers that are silent, behind or in trouble", () => {
    const failing = worker("b");
    failing.status!.tiers[0]!.state = "out_of_use";
    failing.status!.access_records_dropped = 7;
    failing.status!.whitelist_version = 2;
    const silent = { ...worker("c"), last_seen: "2026-11-22T08:00:00Z" };
    const notices = attention({ workers: [worker("a"), failing, silent], versions: [version(3)] });
    expect(notices.map((notice) => [notice.code, notice.level])).toEqual([
      ["tier", "bad"],
      ["worker_silent", "bad"],
      ["records_dropped", "warn"],
      ["worker_behind", "warn"],
    ]);
    expect(notices[0]?.href).toBe("/workers?worker=b");
  });

  it("takes a worker for silent by the fleet's clock, not the browser's", () => {
    expect(codes({ workers: [{ ...worker("a"), last_seen: "1998-06-29T02:00:00Z" }] })).toEqual([]);
  });

  it("is asked for more urgently when more than a hundredth of reads failed", () => {
    const failing = (errors: number) => {
      const some = usage([point("2026-11-22", 1, 1)]);
      some.total = { ...some.total, requests: 1000, errors };
      return attention({ usage: some })[0]?.level;
    };
    expect([failing(1), failing(11)]).toEqual(["warn", "bad"]);
  });

  it("is asked for a missing whitelist, and for one that waits for approval", () => {
    expect(codes({ versions: [] })).toEqual(["no_whitelist"]);
    expect(attention({ versions: [version(4, "proposed"), version(3)] })).toMatchObject([
      { code: "proposal", href: "/whitelist?tab=diff&to=4" },
    ]);
  });

  it("is asked for items that are not resident only while nothing loads them", () => {
    const residency = { tiers: [], total: { items: 3, incomplete_items: 1, bytes: 2, resident_bytes: 1 }, items: [] };
    expect(codes({ residency, preload })).toEqual(["not_resident"]);
    expect(codes({ residency, preload: { ...preload, running: true } })).toEqual([]);
    const out = {
      item: "a.b.c",
      state: "left_out" as const,
      bytes: 1,
      bytes_loaded: 0,
      bytes_resident: 0,
      why: { words: "does not fit", code: "no_room" as const, bytes: 1, left: 0 },
    };
    const total = { ...preload.total, done: 6, failed: 1, left_out: 2, first_not_loaded: out };
    expect(attention({ preload: { ...preload, total } })).toMatchObject([
      { code: "left_out", items: 3, first: "a.b.c", why: { code: "no_room" } },
    ]);
  });

  it("ends with what would bring more", () => {
    const curve = {
      version: 3,
      budget_bytes: 1000,
      points: [
        { budget_percent: 100, capacity_bytes: 1000, items: 1, bytes: 1, hours_saved: 10 },
        { budget_percent: 200, capacity_bytes: 2000, items: 2, bytes: 2, hours_saved: 20 },
      ],
    };
    const notices = attention({
      failures: ["x"],
      tables: [table("a.b.held", 100, 90), table("a.b.left", 50, 5)],
      curve,
    });
    expect(notices.map((notice) => notice.code)).toEqual(["not_asked", "table_left", "more_space"]);
    expect(notices[2]).toMatchObject({ bytes: 100, hours: 1, href: "/what-if?capacity=1100" });
    const flat = { ...curve, points: [curve.points[0]!] };
    expect(codes({ curve: flat })).toEqual([]);
  });

  it("has words for all of it in each language", () => {
    const seen: Seen = {
      failures: ["x"],
      workers: [worker("a")],
      versions: [],
      preload: {
        ...preload,
        total: {
          ...preload.total,
          failed: 1,
          first_not_loaded: { item: "a", state: "failed", bytes: 1, bytes_loaded: 0, bytes_resident: 0 },
        },
      },
      tables: [table("a.b.left", 50, 5)],
    };
    for (const notice of attention(seen)) {
      expect(sentence(notice, { t: en, f: formatOf("en") })).toMatch(/\.$/);
      expect(sentence(notice, { t: zh, f: formatOf("zh") })).toMatch(/。$/);
    }
  });
});

describe("capacity by use", () => {
  const tier = { tier: "ssd" as const, used_bytes: 70, capacity_bytes: 100, state: "in_use" as const };
  const held = (resident_bytes: number) => ({ items: 1, incomplete_items: 1, bytes: 80, resident_bytes });

  it("parts what is held into whitelist and adaptive", () => {
    expect(capacityUse({ tiers: [tier], total: held(50), items: [] })).toMatchObject({
      whitelistBytes: 50,
      adaptiveBytes: 20,
      freeBytes: 30,
    });
  });

  it("never says more than the tier holds", () => {
    expect(
      capacityUse({ tiers: [{ ...tier, capacity_bytes: 60 }], total: held(75), items: [] }),
    ).toMatchObject({ whitelistBytes: 70, adaptiveBytes: 0, freeBytes: 0 });
    expect(capacityUse({ tiers: [], items: [] })).toBeNull();
  });
});
