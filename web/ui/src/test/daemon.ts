// A daemon for tests: it answers what it is given, and remembers what was written.

import { vi } from "vitest";
import type { FleetWorker, Item, Queries, QueryRow, Table, Usage, UsagePoint } from "../api/types";

type Reply = unknown | ((query: URLSearchParams) => unknown);

export interface Written {
  method: string;
  path: string;
  body: unknown;
  marked: boolean;
}

export class Refusal {
  constructor(
    readonly status: number,
    readonly words: string,
  ) {}
}

/** Answers `/api/v1/...` by these paths; all else is not there. */
export function daemon(answers: Record<string, Reply>): Written[] {
  const written: Written[] = [];
  vi.stubGlobal("fetch", async (asked: Request) => {
    const url = new URL(asked.url);
    const path = decodeURIComponent(url.pathname.replace("/api/v1/", ""));
    if (asked.method !== "GET") {
      const text = await asked.text();
      written.push({
        method: asked.method,
        path,
        body: text ? JSON.parse(text) : null,
        marked: asked.headers.get("X-Larder-Request") === "1",
      });
      return reply(answers[`${asked.method} ${path}`] ?? {});
    }
    const answer = answers[path] ?? new Refusal(404, `there is nothing at ${path}`);
    return reply(
      typeof answer === "function" ? (answer as (query: URLSearchParams) => unknown)(url.searchParams) : answer,
    );
  });
  return written;
}

function reply(answer: unknown): Response {
  const refused = answer instanceof Refusal;
  const body = JSON.stringify(refused ? { error: answer.words } : answer);
  return new Response(body, { status: refused ? answer.status : 200, headers: { "content-type": "application/json" } });
}

export function point(day: string, saved = 0, missed = 0): UsagePoint {
  const quantiles = { requests: 10, p50_seconds: 0.001, p95_seconds: 0.01, p99_seconds: 0.1 };
  return {
    start: `${day}T00:00:00Z`,
    requests: saved > 0 ? 100 : 0,
    errors: 0,
    bytes_memory: saved,
    bytes_ssd: saved,
    bytes_origin: missed,
    bytes_direct: missed,
    origin_bytes_demand: missed,
    origin_bytes_preload: 0,
    saved_seconds: saved,
    missed_seconds: missed,
    latency: { memory: quantiles, ssd: quantiles, origin: null },
  };
}

export function usage(points: UsagePoint[]): Usage {
  const sum = (key: "saved_seconds" | "missed_seconds") => points.reduce((all, each) => all + each[key], 0);
  return {
    now: points.at(-1)?.start ?? "2026-11-22T00:00:00Z",
    step: "day",
    points,
    total: point(points[0]?.start.slice(0, 10) ?? "2026-11-22", sum("saved_seconds"), sum("missed_seconds")),
  };
}

export function table(name: string, value: number, whitelisted: number): Table {
  return {
    table: name,
    items: 2,
    objects: 2,
    bytes: 1000,
    requests: 10,
    read_bytes: 5000,
    queries: 3,
    value_seconds: value,
    value_share: 0.5,
    whitelisted_items: whitelisted > 0 ? 1 : 0,
    whitelisted_bytes: 500,
    whitelisted_value_seconds: whitelisted,
  };
}

export function item(name: string, rank: number, whitelisted: boolean): Item {
  return {
    item: name,
    rank,
    bytes: 2 ** 20,
    objects: 1,
    requests: 10,
    read_bytes: 100,
    queries: 1,
    value_seconds: 100 / rank,
    taken: whitelisted,
    whitelisted,
    value_share: 0.1,
    reason: `rank ${rank}`,
    held: whitelisted,
    load_seconds: 0.1,
    factors: [],
    ruling: null,
  };
}

export function queries(some: Partial<Queries> = {}): Queries {
  return {
    from: "2026-11-14",
    to: "2026-11-20",
    kept_of_a_day: 200,
    total: 0,
    queries: [],
    by_user: [],
    by_engine: [],
    by_table: [],
    users_total: some.by_user?.length ?? 0,
    engines_total: some.by_engine?.length ?? 0,
    tables_total: some.by_table?.length ?? 0,
    ...some,
  };
}

export function query(id: string): QueryRow {
  return {
    engine: "trino",
    query_id: id,
    user: "ana",
    created: "2026-11-20T09:00:00Z",
    seconds: 3,
    succeeded: true,
    query: `SELECT '${id}'`,
    read_bytes: 10,
    cached_share: 0.5,
    missed_seconds: 1,
    reads: [{ table: "a.b.t", partitions: [], partitions_total: 0, read_bytes: 10 }],
    whitelisted: [1],
    advice: "whitelisted_now",
    about: "a.b.t",
  };
}

export function worker(id: string): FleetWorker {
  return {
    id,
    admin_url: "http://127.0.0.1:9001",
    last_seen: "2026-11-22T09:00:00Z",
    status: {
      version: "0.4.0",
      started: "2026-11-20T00:00:00Z",
      whitelist_version: 3,
      preloading: false,
      access_records_dropped: 0,
      requests: 1000,
      errors: 0,
      tier_errors: [
        { tier: "ssd", kind: "read", count: 0 },
        { tier: "ssd", kind: "queue_full", count: 0 },
      ],
      tiers: [{ tier: "ssd", used_bytes: 50, capacity_bytes: 100, state: "in_use" }],
    },
  };
}

const IDLE = {
  run: 0,
  version: 0,
  running: false,
  stopped: null,
  started: null,
  finished: null,
  bytes_total: 0,
  bytes_loaded: 0,
  bytes_resident: 0,
  items: [],
  total: { items: 0, waiting: 0, loading: 0, done: 0, failed: 0, left_out: 0, first_not_loaded: null },
};

/** A small fleet that is well. */
export function fleet(): Record<string, Reply> {
  const items = [item("hive.tpch.lineitem/m=1", 1, true), item("hive.tpch.orders/m=2", 2, false)];
  return {
    session: { sign_in: false, person: { name: "local", role: "operator" } },
    usage: usage([point("2026-11-21", 3000, 1000), point("2026-11-22", 6000, 2000)]),
    tables: [table("hive.tpch.lineitem", 100, 90), table("hive.tpch.orders", 20, 0)],
    residency: {
      tiers: [{ tier: "ssd", used_bytes: 50, capacity_bytes: 100, state: "in_use" }],
      total: { items: 1, incomplete_items: 0, bytes: 40, resident_bytes: 40 },
      items: [],
    },
    workers: [worker("worker-1")],
    preload: IDLE,
    nights: [],
    "nights/now": { running: false, plan: false, failed: false },
    "whitelist/history": [
      {
        version: 3,
        status: "published",
        created: "2026-11-22T02:00:00Z",
        night: "2026-11-21",
        reason: "the night of 2026-11-21",
        items: 1,
        bytes: 2 ** 20,
        value_seconds: 100,
      },
    ],
    "whitelist/decisions": [],
    "whitelist/explain": {
      asked: "hive.tpch.lineitem/m=1",
      version: 3,
      version_reason: "the night of 2026-11-21",
      choice: {
        version: 3,
        budget_bytes: 2 ** 21,
        taken_bytes: 2 ** 20,
        cut_density: 1e-6,
        candidates: 2,
        cut_rank: 1,
      },
      items: [
        {
          item: "hive.tpch.lineitem/m=1",
          whitelisted: true,
          reason: "rank 1",
          verdict: items[0],
          changes: [{ change: "less_budget", bytes: 2 ** 20, words: "with less" }],
          days: [],
          ruling: null,
        },
      ],
    },
    value: {
      candidates: 2,
      candidate_bytes: 1,
      candidate_value_seconds: 1,
      version: 3,
      budget_bytes: 2 ** 21,
      whitelisted_bytes: 2 ** 20,
      whitelisted_value_seconds: 100,
      cut_density: 1e-6,
      items: [],
    },
    curve: {
      version: 3,
      budget_bytes: 1000,
      points: [
        { budget_percent: 100, capacity_bytes: 1000, items: 1, bytes: 900, hours_saved: 2 },
        { budget_percent: 200, capacity_bytes: 2000, items: 2, bytes: 1900, hours_saved: 3 },
      ],
    },
    items: (query: URLSearchParams) => {
      const search = query.get("search") ?? "";
      const found = items.filter(
        (each) =>
          each.item.includes(search) &&
          (query.get("listed") === null || String(each.whitelisted) === query.get("listed")) &&
          (query.get("taken") === null || String(each.taken) === query.get("taken")),
      );
      return { total: found.length, offset: 0, items: found };
    },
  };
}
