// Time ranges. The daemon's days are what counts, not the browser's: a range that ends today, or with the last day whose logs
// were read, is said by its length.

import type { Param } from "./params";

export const RANGE_DAYS = [1, 7, 30] as const;

/** The last so many days, the newest that is known included; or fixed days, both included. */
export type Range = { days: number } | { from: string; to: string };

const FIXED = /^(\d{4}-\d{2}-\d{2})\.\.(\d{4}-\d{2}-\d{2})$/;

export function rangeParam(otherwise: number): Param<Range> {
  return {
    read: (said) => {
      const fixed = FIXED.exec(said ?? "");
      const [, from, to] = fixed ?? [];
      if (from && to && isDay(from) && isDay(to)) return from <= to ? { from, to } : { from: to, to: from };
      const days = Number(/^(\d{1,3})d$/.exec(said ?? "")?.[1]);
      return { days: days > 0 ? days : otherwise };
    },
    write: (range) => {
      if ("from" in range) return fixed(range);
      return range.days === otherwise ? null : `${range.days}d`;
    },
  };
}

/** Fixed days as an address has them: they stay the same tomorrow. */
export function fixed({ from, to }: { from: string; to: string }): string {
  return `${from}..${to}`;
}

function isDay(text: string): boolean {
  const at = Date.parse(`${text}T00:00:00Z`);
  return !Number.isNaN(at) && new Date(at).toISOString().startsWith(text);
}

/** So many days later; earlier where negative. */
export function addDays(day: string, days: number): string {
  return new Date(Date.parse(`${day}T00:00:00Z`) + days * 86_400_000).toISOString().slice(0, 10);
}

/** The first and last day of a range that, unless its days are fixed, ends on `last`: the daemon's today, or what else is known. */
export function daysOf(range: Range, last: string): { from: string; to: string } {
  return "from" in range ? range : { from: addDays(last, 1 - range.days), to: last };
}
