// Keeps what is current in the middle of a row that scrolls.

import { type RefObject, useEffect } from "react";

export function useInSight(current: RefObject<HTMLElement | null>, changesWith: unknown): void {
  useEffect(() => {
    const row = current.current?.parentElement;
    if (current.current && row)
      row.scrollLeft =
        current.current.offsetLeft - row.offsetLeft - (row.clientWidth - current.current.clientWidth) / 2;
  }, [current, changesWith]);
}
