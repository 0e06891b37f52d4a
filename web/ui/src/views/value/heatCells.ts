// A table's heat as cells: partitions by days, how much came from the cache, and what is resident now. Pure.

import type { Residency, TableDays } from "../../api/types";

/** Partitions drawn unless all are asked for: the newest. */
export const HEAT_ROWS = 32;

export interface HeatRow {
  partition: string;
  requests: number[];
  /** What part of the bytes read came from memory or SSD on each day, from 0 to 1; null where nothing was read. */
  cached: (number | null)[];
  /** From 0 to 1; null where the whitelist does not hold it. */
  resident: number | null;
}

export function heatRows(days: TableDays, residency: Residency | undefined, all: boolean): HeatRow[] {
  const held = new Map(
    residency?.items.map((item) => [item.item, item.bytes > 0 ? item.resident_bytes / item.bytes : 1]),
  );
  const shown = all ? days.partitions : days.partitions.slice(-HEAT_ROWS);
  return shown.map(({ partition, requests, read_bytes, hit_bytes }) => ({
    partition,
    requests,
    cached: read_bytes.map((read, day) => (read > 0 ? (hit_bytes[day] ?? 0) / read : null)),
    resident: held.get(partition ? `${days.table}/${partition}` : days.table) ?? null,
  }));
}

/** Where colours end: nine tenths of the cells that were read lie below, so that one hot cell does not pale the rest. */
export function heatTop(rows: HeatRow[]): number {
  const read = rows
    .flatMap((row) => row.requests)
    .filter((requests) => requests > 0)
    .sort((a, b) => a - b);
  return Math.max(1, read[Math.floor((read.length - 1) * 0.9)] ?? 1);
}
