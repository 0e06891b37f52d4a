// The daemon's day. Its clock counts: a replayed history has another today than the browser.

import { useApi } from "./use";

const NO_PARAMETERS = {};

/** Null while nothing is known. */
export function useToday(): string | null {
  const usage = useApi("/api/v1/usage", NO_PARAMETERS);
  if (usage.state === "loading") return null;
  return usage.state === "ready" ? usage.data.now.slice(0, 10) : new Date().toISOString().slice(0, 10);
}
