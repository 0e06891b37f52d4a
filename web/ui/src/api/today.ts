// The daemon's day. Its clock counts: a replayed history has another today than the browser.

import type { Usage } from "./types";
import { useApi } from "./use";

const NO_PARAMETERS = {};

/** The day of the last hour that the daemon tells of; the browser's where it tells of none. */
export function todayOf(usage: Usage, now: Date): string {
  return (usage.points.at(-1)?.start ?? now.toISOString()).slice(0, 10);
}

/** Null while nothing is known. */
export function useToday(): string | null {
  const usage = useApi("/api/v1/usage", NO_PARAMETERS);
  if (usage.state === "loading") return null;
  return usage.state === "ready" ? todayOf(usage.data, new Date()) : new Date().toISOString().slice(0, 10);
}
