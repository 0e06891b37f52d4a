// The tables that earn most, and which part of each one's value is kept near.

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
          const shown = all
            .filter((table) => table.value_seconds > 0)
            .sort(
              (a, b) => b.whitelisted_value_seconds - a.whitelisted_value_seconds || b.value_seconds - a.value_seconds,
            )
            .slice(0, SHOWN);
          if (shown.length === 0) return <Empty height={260}>{t.overview.noTables}</Empty>;
          const most = Math.max(shown[0]?.whitelisted_value_seconds ?? 0, 1e-9);
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
                {
                  key: "bar",
                  name: t.words.share,
                  plain: true,
                  wide: true,
                  render: (table) => <Bar share={table.whitelisted_value_seconds / most} />,
                },
                {
                  key: "earns",
                  name: t.overview.earns,
                  number: true,
                  render: (table) => f.duration(table.whitelisted_value_seconds),
                },
                {
                  key: "held",
                  name: t.words.keptNear,
                  number: true,
                  render: (table) => f.percent(Math.min(table.whitelisted_value_seconds / table.value_seconds, 1)),
                },
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
