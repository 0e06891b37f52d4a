// The tables of the treemap as rows: for the keyboard, for screen readers, and for exact figures.

import type { Table as TableRow } from "../../api/types";
import { TableName } from "../../parts/ItemName";
import { Link } from "../../parts/Link";
import { Table } from "../../parts/table/Table";
import { useWords } from "../../text/words";
import { hrefOf } from "../../url/views";
import type { Measure } from "./tree";

/** Beyond these the CSV has the rest. */
const SHOWN = 1000;

export function TableList({ tables, measure }: { tables: TableRow[]; measure: Measure }) {
  const { t, f } = useWords();
  const of = (table: TableRow) => (measure === "value" ? table.value_seconds : table.bytes);
  return (
    <details>
      <summary>{t.value.asList}</summary>
      <Table
        label={t.value.tables}
        maxHeight={400}
        rows={[...tables].sort((a, b) => of(b) - of(a)).slice(0, SHOWN)}
        rowKey={(table) => table.table}
        columns={[
          {
            key: "table",
            name: t.words.table,
            grows: true,
            render: (table) => (
              <Link href={hrefOf("value", {}, table.table)}>
                <TableName table={table.table} />
              </Link>
            ),
          },
          { key: "value", name: t.words.value, number: true, render: (table) => f.duration(table.value_seconds) },
          {
            key: "kept",
            name: t.words.keptNear,
            number: true,
            render: (table) =>
              f.percent(
                table.value_seconds > 0 ? Math.min(table.whitelisted_value_seconds / table.value_seconds, 1) : null,
              ),
          },
          { key: "bytes", name: t.words.size, number: true, render: (table) => f.size(table.bytes) },
          { key: "items", name: t.words.items, number: true, wide: true, render: (table) => f.count(table.items) },
          {
            key: "requests",
            name: t.words.requests,
            number: true,
            wide: true,
            render: (table) => f.count(table.requests),
          },
        ]}
      />
      {tables.length > SHOWN ? <p className="soft">{t.parts.more(f.count(tables.length - SHOWN))}</p> : null}
    </details>
  );
}
