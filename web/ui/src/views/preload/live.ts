// The preload that runs now, told by the daemon as it goes. Without events it is asked for every few seconds.

import { useEffect, useState } from "react";
import type { PreloadEvent, PreloadItem, PreloadStatus } from "../../api/types";
import { type Known, useApi } from "../../api/use";

const NO_PARAMETERS = {};
const POLL = { everyMs: 3000 };
const ONCE = {};

/** A status brought up to date by an event: its items are those that changed. Pure. */
export function merged(
  before: PreloadStatus | null,
  { changed, items_done: _done, items_total: _total, ...event }: PreloadEvent,
): PreloadStatus {
  const news = new Map(changed.map((item) => [item.item, item]));
  const kept: PreloadItem[] = before?.run === event.run ? before.items.map((item) => news.get(item.item) ?? item) : [];
  const known = new Set(kept.map((item) => item.item));
  return { ...event, items: [...kept, ...changed.filter((item) => !known.has(item.item))] };
}

export interface Live {
  known: Known<PreloadStatus>;
  /** Whether events come, rather than answers now and then. */
  live: boolean;
}

export function usePreload(): Live {
  const [live, setLive] = useState(false);
  const asked = useApi("/api/v1/preload", NO_PARAMETERS, live ? ONCE : POLL);
  const [told, setTold] = useState<PreloadStatus | null>(null);
  useEffect(() => {
    if (asked.state === "ready") setTold(asked.data);
  }, [asked]);
  useEffect(() => {
    if (typeof EventSource === "undefined") return;
    const events = new EventSource("/api/v1/preload/events");
    events.addEventListener("open", () => setLive(true));
    events.addEventListener("error", () => setLive(false));
    events.addEventListener("status", (event: MessageEvent<string>) => {
      const news = JSON.parse(event.data) as PreloadEvent;
      setTold((before) => merged(before, news));
    });
    return () => events.close();
  }, []);
  return { known: told && asked.state !== "failed" ? { state: "ready", data: told, stale: null } : asked, live };
}
