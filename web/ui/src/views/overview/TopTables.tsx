// The tables that are worth most: what is kept near of each, and what is left at the origin.

import { csvPath } from "../../api/client";
import type { Table as TableRow } from "../../api/types";
import type { Known } from "../../api/use";
import { Bar } from "../../parts/figures";
import { TableName } from "../../parts/ItemName";
import { Link } from "../../parts/Link";
import { Section } from "../../parts/Section";
import { Empty, Loaded } from "../../parts/states";
import { Table } from "../../parts/table/Table";
import { useWords } from "../../text/words";
import { hrefOf } from "../../url/views";

const SHOWN = 7;

export function TopTables({ tables }: { tables: Known<TableRow[]> }) {
  const { t, f } = useWords();
  return (
    <Section title={t.overview.topTables} note={t.overview.topTablesNote} csv={csvPath("tables")}>
      <Loaded of={tables} height={260}>
        {(all) => {
          const shown = all.filter((table) => table.value_seconds > 0).sort((a, b) => b.value_seconds - a.value_seconds).slice(0, SHOWN);
          if (shown.length === 0) return <Empty height={260}>{t.overview.noTables}</Empty>;
          const most = shown[0]?.value_seconds ?? 1;
          return (
            <Table
              label={t.overview.topTables}
              rows={shown}
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
                { key: "bar", name: "", wide: true, render: (table) => <Bar share={table.value_seconds / most} /> },
                { key: "value", name: t.words.value, number: true, render: (table) => f.duration(table.value_seconds) },
                { key: "held", name: t.words.keptNear, number: true, render: (table) => f.percent(Math.min(table.whitelisted_value_seconds / table.value_seconds, 1)) },
              ]}
            />
          );
        }}
      </Loaded>
      <p className="more">
        <Link href={hrefOf("value")}>{t.overview.allTables}</Link>
      </p>
    </Section>
  );
}
