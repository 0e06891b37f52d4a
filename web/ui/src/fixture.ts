// A small snapshot for tests.

import type { Snapshot } from "./api";

export function fixture(): Snapshot {
  return {
    stat: {
      uptime_seconds: 60,
      get_requests: 100,
      get_errors: 0,
      bytes_memory: 600,
      bytes_ssd: 200,
      bytes_origin: 100,
      bytes_direct: 100,
      origin_bytes_demand: 100,
      origin_bytes_preload: 50,
      saved_io_seconds: 90,
      fills_in_flight: 0,
      whitelist_version: 3,
    },
    residency: {
      tiers: [
        { tier: "memory", used_bytes: 10, capacity_bytes: 100, state: "in_use" },
        { tier: "ssd", used_bytes: 50, capacity_bytes: 1000, state: "in_use" },
      ],
      items: [
        { item: "hive.tpch.lineitem/m=1", bytes: 100, resident_bytes: 100 },
        { item: "hive.tpch.orders/m=2", bytes: 100, resident_bytes: 50 },
      ],
    },
    preload: { run: 1, running: false, stopped: null, bytes_total: 0, bytes_loaded: 0, bytes_resident: 0, items: [] },
    whitelist: {
      version: 3,
      created: "2026-11-20T02:30:00Z",
      night: "2026-11-19",
      budget_bytes: 1000,
      cut_density: 0.05,
      reason: "the night of 2026-11-19",
      items: [
        { item: "hive.tpch.lineitem/m=1", bytes: 100, objects: 1, value_seconds: 20, reason: "rank 1" },
        { item: "hive.tpch.orders/m=2", bytes: 100, objects: 1, value_seconds: 10, reason: "rank 2" },
      ],
    },
    tables: [
      {
        table: "hive.tpch.lineitem",
        items: 2,
        bytes: 200,
        requests: 10,
        read_bytes: 500,
        value_seconds: 25,
        whitelisted_items: 1,
        whitelisted_bytes: 100,
        whitelisted_value_seconds: 20,
      },
    ],
    curve: {
      budget_bytes: 1000,
      points: [
        { budget_percent: 50, capacity_bytes: 500, hours_saved: 0.004 },
        { budget_percent: 100, capacity_bytes: 1000, hours_saved: 0.008 },
      ],
    },
    nights: [
      {
        night: "2026-11-19",
        started: "2026-11-20T02:30:00Z",
        report: {
          outcome: "published version 3",
          warnings: [],
          realised_seconds: 12,
          unattributed_bytes: 0,
          added_count: 1,
          removed_count: 0,
        },
      },
    ],
  };
}
