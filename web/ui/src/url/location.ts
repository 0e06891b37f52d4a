// Where the page is, by the browser's own history.

import { useCallback, useSyncExternalStore } from "react";
import type { Param } from "./params";

const MOVED = "larder:moved";

function subscribe(then: () => void): () => void {
  addEventListener("popstate", then);
  addEventListener(MOVED, then);
  return () => {
    removeEventListener("popstate", then);
    removeEventListener(MOVED, then);
  };
}

/** Goes to a URL of the page. `replace` leaves no step to come back to: for typing and dragging. */
export function go(href: string, replace = false): void {
  if (href === location.pathname + location.search) return;
  if (replace) history.replaceState(null, "", href);
  else history.pushState(null, "", href);
  dispatchEvent(new Event(MOVED));
}

export function usePath(): string {
  return useSyncExternalStore(subscribe, () => location.pathname);
}

export function useSearch(): string {
  return useSyncExternalStore(subscribe, () => location.search);
}

/** Sets parameters of the URL, and leaves the others; null takes one away. */
export function setParams(changes: Record<string, string | null>, replace = false): void {
  const params = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null) params.delete(name);
    else params.set(name, value);
  }
  params.sort();
  const text = params.toString();
  go(location.pathname + (text ? `?${text}` : ""), replace);
}

/** One parameter of the URL, and how to set it. */
export function useParam<Value>(name: string, param: Param<Value>, replace = false): [Value, (value: Value) => void] {
  const search = useSearch();
  const value = param.read(new URLSearchParams(search).get(name));
  const set = useCallback((next: Value) => setParams({ [name]: param.write(next) }, replace), [name, param, replace]);
  return [value, set];
}
