// The keyboard: `g` and a letter for the views, `/` to search, `?` for the list of keys.

import { useEffect } from "react";
import { go } from "../url/location";
import { hrefOf, VIEW_KEYS, VIEWS } from "../url/views";

/** The second key of a pair comes within this time. */
const PAIR_MS = 1500;

function isTyping(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName))
  );
}

export function useKeys(showKeys: () => void): void {
  useEffect(() => {
    let pairUntil = 0;
    const press = (event: KeyboardEvent) => {
      if (event.metaKey || event.ctrlKey || event.altKey) return;
      if (isTyping(event.target)) {
        if (event.key === "Escape") (event.target as HTMLElement).blur();
        return;
      }
      if (document.querySelector("dialog[open]")) return;
      if (event.timeStamp < pairUntil) {
        pairUntil = 0;
        const view = VIEWS.find((known) => VIEW_KEYS[known] === event.key);
        if (view) {
          event.preventDefault();
          go(hrefOf(view));
        }
      } else if (event.key === "g") {
        pairUntil = event.timeStamp + PAIR_MS;
      } else if (event.key === "/") {
        const search = document.querySelector<HTMLInputElement>("[data-search]");
        if (search) {
          event.preventDefault();
          search.focus();
          search.select();
        }
      } else if (event.key === "?") {
        showKeys();
      } else if (event.key === "Escape") {
        document.querySelector<HTMLElement>("[data-closes]")?.click();
      }
    };
    addEventListener("keydown", press);
    return () => removeEventListener("keydown", press);
  }, [showKeys]);
}
