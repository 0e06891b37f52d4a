// What a column of any table is.

import type { ReactNode } from "react";
import type { Sort } from "../../url/params";

export interface Column<Row, Key extends string = string> {
  key: string;
  name: string;
  /** Its content speaks for itself: the name is there for screen readers only. */
  plain?: boolean;
  /** Numbers stand at the right, so that they can be compared. */
  number?: boolean;
  /** Left out where there is no room. */
  wide?: boolean;
  /** Where there is no room it stands on a line of its own, below its row. Only in a `Table`. */
  below?: boolean;
  /** Takes what room is left; other columns are as wide as their content. */
  grows?: boolean;
  render(row: Row): ReactNode;
  /** By which key its heading sorts; without one it does not. */
  sort?: Key;
  /** Numbers start with the largest when their heading is pressed; this one with the smallest. */
  smallFirst?: boolean;
}

export interface Sorting<Key extends string> {
  sort?: Sort<Key> | undefined;
  onSort?: ((sort: Sort<Key>) => void) | undefined;
}

/** The classes of a column's cells. */
export function classOf(column: { number?: boolean; wide?: boolean; grows?: boolean }): string {
  return [column.number ? "number" : "", column.wide ? "wide" : "", column.grows ? "grows" : ""]
    .filter(Boolean)
    .join(" ");
}
