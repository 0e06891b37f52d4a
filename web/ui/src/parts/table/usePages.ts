// Pages of a long list, fetched as they scroll into view and kept while the question is the same.

import { useCallback, useEffect, useRef, useState } from "react";
import { ApiError } from "../../api/client";
import { PAGE_ROWS, pagesOf, type Window } from "./window";

export interface Page<Row> {
  total: number;
  rows: Row[];
}

export interface Paged<Row> {
  /** Null until the first page came. */
  total: number | null;
  error: ApiError | null;
  rowAt(index: number): Row | undefined;
  /** Says what is in sight; what is missing is fetched. */
  look(window: Window): void;
}

/** `ask` is kept by the caller while the question is the same; another one begins anew. */
export function usePages<Row>(
  ask: (offset: number, limit: number, signal: AbortSignal) => Promise<Page<Row>>,
): Paged<Row> {
  const pages = useRef(new Map<number, Row[] | "asked">());
  const stop = useRef<AbortController>(new AbortController());
  const [total, setTotal] = useState<number | null>(null);
  const [error, setError] = useState<ApiError | null>(null);
  const [, redraw] = useState(0);

  const fetchPage = useCallback(
    async (page: number) => {
      const { signal } = stop.current;
      pages.current.set(page, "asked");
      try {
        const answer = await ask(page * PAGE_ROWS, PAGE_ROWS, signal);
        if (signal.aborted) return;
        pages.current.set(page, answer.rows);
        setTotal(answer.total);
        setError(null);
        redraw((count) => count + 1);
      } catch (problem) {
        if (signal.aborted) return;
        pages.current.delete(page);
        setError(problem instanceof ApiError ? problem : new ApiError(0, String(problem)));
      }
    },
    [ask],
  );

  useEffect(() => {
    stop.current = new AbortController();
    pages.current = new Map();
    void fetchPage(0);
    return () => stop.current.abort();
  }, [fetchPage]);

  const look = useCallback(
    (window: Window) => {
      for (const page of pagesOf(window)) if (!pages.current.has(page)) void fetchPage(page);
    },
    [fetchPage],
  );

  const rowAt = (index: number) => {
    const page = pages.current.get(Math.floor(index / PAGE_ROWS));
    return page === "asked" ? undefined : page?.[index % PAGE_ROWS];
  };
  return { total, error, rowAt, look };
}
