// Reading the API from a component: what was known is shown at once, and asked for anew.

import { useCallback, useEffect, useState } from "react";
import { type Answer, ApiError, type Parameters, type ReadPath, read } from "./client";

/** Counts up whenever everything is asked anew, for lists that ask by themselves. */
export function useAnew(): number {
  const [count, setCount] = useState(0);
  useEffect(() => {
    const more = () => setCount((now) => now + 1);
    askers.add(more);
    return () => void askers.delete(more);
  }, []);
  return count;
}

/** What is known of one question. `stale` is what went wrong while asking anew; the data is then from before. */
export type Known<Data> =
  | { state: "loading" }
  | { state: "absent"; words: string }
  | { state: "failed"; error: ApiError }
  | { state: "ready"; data: Data; stale: ApiError | null };

/** Answers that views share, and that are shown while one goes back and forth. The oldest goes beyond this many. */
const KEPT_MAX = 100;
const kept = new Map<string, unknown>();

function keep(key: string, data: unknown): void {
  kept.delete(key);
  kept.set(key, data);
  for (const oldest of kept.keys()) {
    if (kept.size <= KEPT_MAX) break;
    kept.delete(oldest);
  }
}

/** Forgets all answers: what is asked next is asked of the daemon. */
export function forget(): void {
  kept.clear();
}

/** Every question on the page that is to be asked anew after a write. */
const askers = new Set<() => void>();
export function askAnew(): void {
  forget();
  for (const ask of askers) ask();
}

function known<Data>(key: string | null): Known<Data> {
  return key !== null && kept.has(key)
    ? { state: "ready", data: kept.get(key) as Data, stale: null }
    : { state: "loading" };
}

export interface Asking {
  /** Ask again after so long; never, if left out. */
  everyMs?: number;
  /** Keep the last answer on the page while other parameters are asked for. */
  keepLast?: boolean;
}

/** Reads a path, or nothing where `params` is null. A 404 is `absent`: not there yet. */
export function useApi<Path extends ReadPath>(
  path: Path,
  params: Parameters<Path> | null,
  asking: Asking = {},
): Known<Answer<Path>> {
  type Data = Answer<Path>;
  const key = params === null ? null : `${path} ${JSON.stringify(params)}`;
  const [shown, setShown] = useState<{ key: string | null; known: Known<Data> }>(() => ({
    key,
    known: known<Data>(key),
  }));
  const { everyMs, keepLast = false } = asking;

  const ask = useCallback(
    async (signal: AbortSignal) => {
      if (key === null) return;
      const asked = JSON.parse(key.slice(path.length + 1)) as Parameters<Path>;
      try {
        const data = await read(path, asked, signal);
        keep(key, data);
        setShown({ key, known: { state: "ready", data, stale: null } });
      } catch (error) {
        if (signal.aborted) return;
        const problem = error instanceof ApiError ? error : new ApiError(0, String(error));
        setShown((before) => {
          if (problem.status === 404) return { key, known: { state: "absent", words: problem.message } };
          const ready = before.key === key && before.known.state === "ready";
          return {
            key,
            known: ready ? ({ ...before.known, stale: problem } as Known<Data>) : { state: "failed", error: problem },
          };
        });
      }
    },
    [path, key],
  );

  useEffect(() => {
    const stop = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const look = async () => {
      clearTimeout(timer);
      await ask(stop.signal);
      if (everyMs && !stop.signal.aborted) timer = setTimeout(onceSeen, everyMs);
    };
    // Nobody waits for what a hidden page would ask again.
    const onceSeen = () => {
      if (document.visibilityState !== "hidden") void look();
      else document.addEventListener("visibilitychange", onceSeen, { once: true, signal: stop.signal });
    };
    const now = () => void look();
    askers.add(now);
    void look();
    return () => {
      askers.delete(now);
      clearTimeout(timer);
      stop.abort();
    };
  }, [ask, everyMs]);

  if (shown.key === key) return shown.known;
  const cached = known<Data>(key);
  return cached.state === "loading" && keepLast && shown.known.state === "ready" ? shown.known : cached;
}

/** What is known of something that may be missing: null then. */
export function orNone<Data>(asked: Known<Data>): Known<Data | null> {
  return asked.state === "absent" ? { state: "ready", data: null, stale: null } : asked;
}

/** The data if it is there. */
export function dataOf<Data>(asked: Known<Data>): Data | undefined {
  return asked.state === "ready" ? asked.data : undefined;
}
