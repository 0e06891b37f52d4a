// An item's name: the catalog and schema step back, so that table and partition can be told apart at a glance.

import { splitItem } from "../url/views";

export function ItemName({ item }: { item: string }) {
  const { table, partition } = splitItem(item);
  return (
    <span className="item" title={item}>
      <TableName table={table} />
      {partition ? (
        <span className="partition">
          <span className="slash">/</span>
          {readable(partition)}
        </span>
      ) : null}
    </span>
  );
}

export function TableName({ table }: { table: string }) {
  const dot = table.lastIndexOf(".");
  return (
    <span className="table-name" title={table}>
      <span className="prefix">{table.slice(0, dot + 1)}</span>
      <span>{table.slice(dot + 1)}</span>
    </span>
  );
}

/** What tells partitions of one table apart, where there is little room: `dt=2026-11-21/hour=09` is `2026-11-21/09`. */
export function valuesOf(partition: string): string {
  return readable(partition.replace(/(^|\/)[^=/]+=/g, "$1"));
}

/** A partition's name with its escapes undone, for reading only. */
export function readable(partition: string): string {
  try {
    return decodeURIComponent(partition);
  } catch {
    return partition;
  }
}
