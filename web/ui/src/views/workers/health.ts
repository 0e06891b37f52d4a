// How a worker fares, from what it last said. Pure.

import type { FleetWorker, TierErrorCount, TierUse } from "../../api/types";

export type Health = "well" | "impaired" | "silent" | "unknown";

/** A worker that said nothing for so long is taken for gone. */
const SILENT_MS = 5 * 60_000;

/** `now` is the latest moment that anything tells of. */
export function healthOf(worker: FleetWorker, now: number): Health {
  if (now - Date.parse(worker.last_seen) > SILENT_MS) return "silent";
  const { status } = worker;
  if (!status) return "unknown";
  return unfitTiers(status.tiers).length > 0 || status.access_records_dropped > 0 ? "impaired" : "well";
}

/** A tier that does not do all of its work. */
export interface UnfitTier {
  tier: TierUse["tier"];
  state: "full" | "slow" | "out_of_use";
  tone: "bad" | "warn";
}

export function unfitTiers(tiers: TierUse[]): UnfitTier[] {
  return tiers.flatMap(({ tier, state }): UnfitTier[] =>
    state === "in_use" || state === "opening" ? [] : [{ tier, state, tone: state === "out_of_use" ? "bad" : "warn" }],
  );
}

/** What went wrong within a worker's tiers since its start; null where its version does not tell. */
export function tierErrorsOf({ status }: FleetWorker): TierErrorCount[] | null {
  const told = status?.tier_errors ?? [];
  return told.length > 0 ? told.filter((error) => error.count > 0) : null;
}

/** Whether it speaks against the disk. Else more was to be written than the tier takes, which breaks nothing. */
export function isFault({ kind }: TierErrorCount): boolean {
  return kind !== "queue_full" && kind !== "not_admitted";
}
