// What would have helped a query: a code becomes words and a place to do it. Pure.

import type { QueryRow } from "../../api/types";
import type { Text } from "../../text/en";
import { hrefOf } from "../../url/views";

export interface Advice {
  words: string;
  /** Null where there is nothing to do. */
  act: { words: string; href: string } | null;
}

/** The item that the advice is about: the first that the query read and that the whitelist does not hold, else the first. */
function subject(query: QueryRow): string | null {
  const read = query.reads.find((each) => each.whitelisted < Math.max(each.partitions.length, 1)) ?? query.reads[0];
  if (!read) return null;
  return read.partitions.length === 1 && read.partitions[0] ? `${read.table}/${read.partitions[0]}` : read.table;
}

export function adviceOf(query: QueryRow, t: Text): Advice[] {
  const item = subject(query);
  const say = t.queries.advice;
  return query.advice.map((code) => {
    const known = say[code as keyof typeof say];
    if (!known) return { words: code, act: null };
    return { words: known.words, act: known.act && item ? { words: known.act, href: placeOf(code, item) } : null };
  });
}

function placeOf(code: string, item: string): string {
  switch (code) {
    case "not_resident":
      return hrefOf("preload", { search: item });
    case "unattributed":
      return hrefOf("workers", { tab: "config" });
    case "denied":
      return hrefOf("whitelist", { tab: "decisions" });
    default:
      return hrefOf("value", { item });
  }
}
