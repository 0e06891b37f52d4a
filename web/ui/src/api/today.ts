// The daemon's days. Its clock counts: a replayed history has another today than the browser.

import { useApi } from "./use";

const NO_PARAMETERS = {};

export interface DaemonDays {
  today: string;
  /** The last day whose logs a night has read; null before the first night. */
  readTo: string | null;
}

/** Null while nothing is known. */
export function useDays(): DaemonDays | null {
  const usage = useApi("/api/v1/usage", NO_PARAMETERS);
  if (usage.state === "loading") return null;
  return usage.state === "ready"
    ? { today: usage.data.now.slice(0, 10), readTo: usage.data.logs_read_to ?? null }
    : { today: new Date().toISOString().slice(0, 10), readTo: null };
}

/** Null while nothing is known. */
export function useToday(): string | null {
  return useDays()?.today ?? null;
}
