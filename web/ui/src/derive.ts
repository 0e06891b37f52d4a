// What the page says, computed from what the API says. Pure, so that it can be tested without a browser.

import type { Snapshot, Stat } from "./api";

/** The share of bytes sent that came from memory or SSD; null when nothing was sent yet. */
export function byteHitRatio(stat: Stat): number | null {
  const hits = stat.bytes_memory + stat.bytes_ssd;
  const sent = hits + stat.bytes_origin + stat.bytes_direct;
  return sent > 0 ? hits / sent : null;
}

export interface Row {
  item: string;
  bytes: number;
  value: number;
  density: number;
  /** From 0 to 1; null for an empty item. */
  resident: number | null;
  reason: string;
}

export function rows(snapshot: Snapshot): Row[] {
  const resident = new Map(snapshot.residency.items.map((item) => [item.item, item]));
  return (snapshot.whitelist?.items ?? []).map((item) => {
    const held = resident.get(item.item);
    return {
      item: item.item,
      bytes: item.bytes,
      value: item.value_seconds,
      density: item.bytes > 0 ? item.value_seconds / item.bytes : 0,
      resident: held && held.bytes > 0 ? held.resident_bytes / held.bytes : null,
      reason: item.reason,
    };
  });
}

export type SortKey = "item" | "bytes" | "value" | "density" | "resident";

export function arrange(rows: Row[], search: string, key: SortKey, descending: boolean): Row[] {
  const wanted = search.trim().toLowerCase();
  const found = wanted ? rows.filter((row) => row.item.toLowerCase().includes(wanted)) : [...rows];
  const sign = descending ? -1 : 1;
  return found.sort((a, b) => {
    if (key === "item") return sign * a.item.localeCompare(b.item);
    return sign * ((a[key] ?? -1) - (b[key] ?? -1));
  });
}

export interface Notice {
  level: "bad" | "warn";
  text: string;
}

/** What a person should look at, the worst first. */
export function attention(snapshot: Snapshot): Notice[] {
  const notices: Notice[] = [];
  const { stat, residency, whitelist, preload, nights } = snapshot;
  for (const tier of residency.tiers) {
    if (tier.state === "out_of_use") {
      notices.push({ level: "bad", text: `The ${tier.tier} tier fails; reads go around it.` });
    } else if (tier.state === "slow") {
      notices.push({ level: "bad", text: `The ${tier.tier} tier is slower than the origin; reads go around it.` });
    } else if (tier.state === "full") {
      notices.push({ level: "bad", text: `The disk of the ${tier.tier} tier is full; nothing is admitted to it.` });
    }
  }
  if (stat.get_errors > 0) {
    const share = stat.get_errors / Math.max(stat.get_requests, 1);
    notices.push({
      level: share > 0.01 ? "bad" : "warn",
      text: `${count(stat.get_errors)} of ${count(stat.get_requests)} reads failed since the start.`,
    });
  }
  if (!whitelist) {
    notices.push({ level: "warn", text: "There is no whitelist yet: everything is admitted until the first night." });
  }
  const missing = rows(snapshot).filter((row) => row.resident !== null && row.resident < 1);
  if (whitelist && missing.length > 0 && !preload.running) {
    notices.push({
      level: "warn",
      text: `${count(missing.length)} of ${count(whitelist.items.length)} whitelisted items are not resident as a whole: run larder preload.`,
    });
  }
  const failed = preload.items.filter((item) => item.state === "failed" || item.state === "left_out");
  if (failed.length > 0) {
    const first = failed[0];
    notices.push({
      level: "warn",
      text: `The last preload left ${count(failed.length)} items out, first ${first?.item}: ${first?.message ?? "no reason given"}.`,
    });
  }
  for (const warning of nights[0]?.report.warnings ?? []) notices.push({ level: "warn", text: warning });
  return notices.sort((a, b) => Number(b.level === "bad") - Number(a.level === "bad"));
}

export function size(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${value >= 100 || unit === 0 ? value.toFixed(0) : value.toFixed(1)} ${units[unit]}`;
}

export function duration(seconds: number): string {
  if (seconds >= 7200) return `${(seconds / 3600).toFixed(1)} h`;
  if (seconds >= 120) return `${(seconds / 60).toFixed(1)} min`;
  if (seconds >= 1) return `${seconds.toFixed(1)} s`;
  return `${(seconds * 1000).toFixed(0)} ms`;
}

export function percent(share: number | null): string {
  return share === null ? "–" : `${(share * 100).toFixed(share > 0 && share < 0.1 ? 1 : 0)}%`;
}

export function count(number: number): string {
  return number.toLocaleString("en");
}

/** Seconds saved for each GiB held. */
export function density(secondsPerByte: number): string {
  return `${(secondsPerByte * 2 ** 30).toFixed(1)} s/GiB`;
}
