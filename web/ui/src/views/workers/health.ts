// How a worker fares, from what it last said. Pure.

import type { FleetWorker } from "../../api/types";

export type Health = "well" | "impaired" | "silent" | "unknown";

/** A worker that said nothing for so long is taken for gone. */
const SILENT_MS = 5 * 60_000;

/** `now` is the latest moment that anything tells of. */
export function healthOf(worker: FleetWorker, now: number): Health {
  if (now - Date.parse(worker.last_seen) > SILENT_MS) return "silent";
  const { status } = worker;
  if (!status) return "unknown";
  const failing = status.tiers.some((tier) => tier.state !== "in_use" && tier.state !== "opening");
  return failing || status.access_records_dropped > 0 ? "impaired" : "well";
}
