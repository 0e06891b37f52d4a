// Whether a box scrolls: then the keyboard must reach it, else it would only be one more stop.

import { type RefObject, useEffect, useState } from "react";

export function useScrolls(box: RefObject<HTMLElement | null>): boolean {
  const [scrolls, setScrolls] = useState(false);
  useEffect(() => {
    const seen = box.current;
    if (!seen) return;
    const look = () => setScrolls(seen.scrollWidth > seen.clientWidth || seen.scrollHeight > seen.clientHeight);
    const watcher = new ResizeObserver(look);
    watcher.observe(seen);
    if (seen.firstElementChild) watcher.observe(seen.firstElementChild);
    look();
    return () => watcher.disconnect();
  }, [box]);
  return scrolls;
}
