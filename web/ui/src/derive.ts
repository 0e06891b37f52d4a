// What the page computes from what the API says, where more than one view needs it. Pure.

import type { Curve, UsagePoint } from "./api/types";

type Bytes = Pick<UsagePoint, "bytes_memory" | "bytes_ssd" | "bytes_origin" | "bytes_direct">;

/** Bytes sent from memory or SSD: the origin bytes that were avoided. */
export function avoidedBytes(usage: Bytes): number {
  return usage.bytes_memory + usage.bytes_ssd;
}

/** The share of bytes sent that came from memory or SSD; null when nothing was sent. */
export function byteHitRatio(usage: Bytes): number | null {
  const sent = avoidedBytes(usage) + usage.bytes_origin + usage.bytes_direct;
  return sent > 0 ? avoidedBytes(usage) / sent : null;
}

/** Saved IO time over what could have been saved; null when there was nothing to save. */
export function savedShare(usage: Pick<UsagePoint, "saved_seconds" | "missed_seconds">): number | null {
  const possible = usage.saved_seconds + usage.missed_seconds;
  return possible > 0 ? usage.saved_seconds / possible : null;
}

export interface Saved {
  saved_seconds: number;
  missed_seconds: number;
}

/** What the last so many points saved and missed together. */
export function savedOver(points: UsagePoint[], last: number): Saved {
  const sum = { saved_seconds: 0, missed_seconds: 0 };
  for (const point of points.slice(-last)) {
    sum.saved_seconds += point.saved_seconds;
    sum.missed_seconds += point.missed_seconds;
  }
  return sum;
}

/** Hours saved at a capacity, between the points of the curve by a straight line. */
export function hoursAt(curve: Curve, capacityBytes: number): number {
  let before = { capacity_bytes: 0, hours_saved: 0 };
  for (const point of curve.points) {
    if (capacityBytes <= point.capacity_bytes) {
      const width = point.capacity_bytes - before.capacity_bytes;
      const share = width > 0 ? (capacityBytes - before.capacity_bytes) / width : 1;
      return before.hours_saved + (point.hours_saved - before.hours_saved) * share;
    }
    before = point;
  }
  return before.hours_saved;
}

const STEP_BYTES = 100 * 2 ** 30;

/** The next step of capacity that is worth talking of: 100 GiB, or a tenth of the budget where that is less. */
export function nextStep(curve: Curve): number {
  return Math.min(STEP_BYTES, Math.round(curve.budget_bytes / 10));
}

/** Hours saved that the next step brings from a capacity on. */
export function marginalHours(curve: Curve, capacityBytes: number): number {
  return hoursAt(curve, capacityBytes + nextStep(curve)) - hoursAt(curve, capacityBytes);
}
