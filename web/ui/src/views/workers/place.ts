// Where a worker's own page is. Pure.

import { hrefOf } from "../../url/views";

/** The configuration in force on a worker, by its admin URL; null where that is no address of a page. */
export function configHref(adminUrl: string): string | null {
  try {
    const { protocol, origin } = new URL(adminUrl);
    return protocol === "http:" || protocol === "https:" ? origin + hrefOf("workers", { tab: "config" }) : null;
  } catch {
    return null;
  }
}
