// Ages of what was read, in bins that widen: of days each, then of weeks, months and more. Pure.

import type { TableDays } from "../../api/types";

/** The first age of each bin, in days; what lies ahead of its day comes before them all. */
const FROM = [0, 1, 2, 3, 4, 5, 6, 7, 14, 30, 90, 365];

export interface AgeBin {
  /** Null for partitions that were read before their day came. */
  from: number | null;
  /** The last age; null where there is none. */
  to: number | null;
  requests: number;
  readBytes: number;
}

export function ageBins(ages: TableDays["ages"]): AgeBin[] {
  const bins: AgeBin[] = FROM.map((from, i) => {
    const next = FROM[i + 1];
    return { from, to: next === undefined ? null : next - 1, requests: 0, readBytes: 0 };
  });
  const ahead: AgeBin = { from: null, to: -1, requests: 0, readBytes: 0 };
  for (const age of ages) {
    const bin = bins.findLast(({ from }) => from !== null && age.age_days >= from) ?? ahead;
    bin.requests += age.requests;
    bin.readBytes += age.read_bytes;
  }
  // Ages that nobody reads any more at the far end are left off.
  const last = bins.findLastIndex((bin) => bin.requests > 0);
  return [...(ahead.requests > 0 ? [ahead] : []), ...bins.slice(0, last + 1)];
}

/** As an axis has it: `3`, `7–13`, `365+`. */
export function ageName({ from, to }: AgeBin, ahead: string): string {
  if (from === null) return ahead;
  if (to === null) return `${from}+`;
  return from === to ? String(from) : `${from}–${to}`;
}
