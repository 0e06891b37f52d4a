// Why a version exists. Pure.

import type { Version } from "../../api/types";
import type { Text } from "../../text/en";
import type { Format } from "../../text/format";

/** The daemon's own words, except where they only name the night. */
export function reasonWords(version: Pick<Version, "reason" | "night">, t: Text, f: Format): string {
  return /^the night of \d{4}-\d{2}-\d{2}$/.test(version.reason)
    ? t.whitelist.night(f.day(version.night))
    : version.reason;
}
