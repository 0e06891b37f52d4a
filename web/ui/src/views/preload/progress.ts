// How far a preload is, how fast, and how long it still takes. Pure.

import type { PreloadItem, PreloadRun, PreloadStatus } from "../../api/types";

/** What is there of what was wanted: loaded now, or resident before. */
export function heldBytes(status: Pick<PreloadStatus, "bytes_loaded" | "bytes_resident">): number {
  return status.bytes_loaded + status.bytes_resident;
}

export interface Sample {
  atMs: number;
  loadedBytes: number;
}

/** The rate is that of so much time before now. */
const RATE_OVER_MS = 15_000;

/** Samples with one more, without those that are too old to say how fast it goes now. */
export function sampled(samples: Sample[], next: Sample): Sample[] {
  const last = samples.at(-1);
  // Another run began.
  if (last && next.loadedBytes < last.loadedBytes) return [next];
  return [...samples.filter((sample) => next.atMs - sample.atMs <= RATE_OVER_MS), next];
}

/** Bytes per second; null until two moments are known. */
export function rateOf(samples: Sample[]): number | null {
  const [first] = samples;
  const last = samples.at(-1);
  if (!first || !last || last.atMs - first.atMs < 500) return null;
  return ((last.loadedBytes - first.loadedBytes) * 1000) / (last.atMs - first.atMs);
}

/** Seconds until it is done at this rate; null where nothing moves. */
export function secondsLeft(status: PreloadStatus, rate: number | null): number | null {
  if (rate === null || rate <= 0) return null;
  return Math.max(status.bytes_total - heldBytes(status), 0) / rate;
}

/** What was not loaded, and why. */
export function leftOut(items: PreloadItem[]): PreloadItem[] {
  return items.filter((item) => item.state === "left_out" || item.state === "failed");
}

export interface DayWritten {
  day: string;
  bytes: number;
}

/** Bytes that preloads wrote to the SSDs, by day, the oldest first. */
export function writtenByDay(runs: PreloadRun[]): DayWritten[] {
  const days = new Map<string, number>();
  for (const run of runs) {
    const day = (run.status.started ?? run.updated).slice(0, 10);
    days.set(day, (days.get(day) ?? 0) + run.status.bytes_loaded);
  }
  return [...days].map(([day, bytes]) => ({ day, bytes })).sort((a, b) => (a.day < b.day ? -1 : 1));
}
