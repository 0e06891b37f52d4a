// The ranked list of items, searched and sorted by the daemon and fetched page by page.

import { useCallback } from "react";
import { read } from "../../api/client";
import type { Item } from "../../api/types";
import { useAnew } from "../../api/use";
import { type Paged, usePages } from "../../parts/table/usePages";
import { sort, type Sort } from "../../url/params";

export const ITEM_SORTS = ["rank", "item", "bytes", "value", "density", "requests"] as const;
export type ItemSort = (typeof ITEM_SORTS)[number];
export const ITEM_SORT = sort(ITEM_SORTS, { key: "rank", descending: false });

export interface ItemQuestion {
  search: string;
  table?: string | undefined;
  /** On the whitelist in force, or not. */
  listed?: boolean | undefined;
  sort: Sort<ItemSort>;
}

/** The question as the API takes it; also that of the CSV. */
export function itemQuery({ search, table, listed, sort: by }: ItemQuestion) {
  return {
    search: search || null,
    table: table ?? null,
    listed: listed ?? null,
    sort: by.key,
    descending: by.descending,
  };
}

export function useItems(question: ItemQuestion): Paged<Item> {
  const key = JSON.stringify(itemQuery(question));
  const anew = useAnew();
  const ask = useCallback(
    async (offset: number, limit: number, signal: AbortSignal) => {
      const asked = JSON.parse(key) as ReturnType<typeof itemQuery>;
      const page = await read("/api/v1/items", { query: { ...asked, offset, limit } }, signal);
      return { total: page.total, rows: page.items };
    },
    // Another `anew` is the same question asked again.
    [key, anew],
  );
  return usePages(ask);
}
