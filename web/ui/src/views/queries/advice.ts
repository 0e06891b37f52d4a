// What would have helped a query: a code becomes words and a place to do it. Pure.

import type { QueryRow } from "../../api/types";
import type { Text } from "../../text/en";
import { hrefOf } from "../../url/views";

export interface Advice {
  words: string;
  /** Null where there is nothing to do. */
  act: { words: string; href: string } | null;
}

export function adviceOf(query: Pick<QueryRow, "advice" | "about" | "reads">, t: Text): Advice {
  const { words, act } = t.queries.advice[query.advice];
  const href = placeOf(query);
  return { words, act: act && href ? { words: act, href } : null };
}

function placeOf({ advice, about, reads }: Pick<QueryRow, "advice" | "about" | "reads">): string | null {
  const item = about ?? reads[0]?.table;
  switch (advice) {
    case "denied":
      return hrefOf("whitelist", { tab: "decisions" });
    case "not_through_larder":
      return hrefOf("workers", { tab: "config", search: "bucket" });
    case "not_whitelisted":
    case "whitelisted_now":
      return item ? hrefOf("value", { item }) : null;
    case "well_served":
      return null;
  }
}
