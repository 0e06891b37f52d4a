// Why there is no query to be seen. Pure.

import type { Text } from "../../text/en";
import type { Format } from "../../text/format";

interface Asked {
  /** The first day that is asked for. */
  from: string;
  /** The last day whose logs a night has read; null before the first night. */
  readTo: string | null;
  /** Whether only queries of some user, engine or table are asked for. */
  filtered: boolean;
}

export function noneWords({ from, readTo, filtered }: Asked, t: Text, f: Format): string {
  if (readTo === null) return t.queries.nothingRead;
  if (from > readTo) return t.queries.notReadYet(f.day(readTo));
  return filtered ? t.queries.noneMatches : t.queries.none;
}
