// The bill: what each owner holds, and what it earns them.

import { csvPath } from "../../api/client";
import { useApi } from "../../api/use";
import { Link } from "../../parts/Link";
import { TableName } from "../../parts/ItemName";
import { Section } from "../../parts/Section";
import { Empty, Loaded } from "../../parts/states";
import { Table } from "../../parts/table/Table";
import { savedShare } from "../../derive";
import { NOTHING } from "../../text/format";
import { useWords } from "../../text/words";
import { hrefOf } from "../../url/views";

const TABLES_SHOWN = 3;

export function BillTable({ days }: { days: { from: string; to: string } | null }) {
  const { t, f } = useWords();
  const bill = useApi("/api/v1/bill", days && { query: days }, { keepLast: true });
  return (
    <Section
      title={t.queries.bill}
      note={days ? t.queries.billNote(f.day(days.from), f.day(days.to)) : undefined}
      csv={csvPath("bill", days ?? {})}
    >
      <Loaded of={bill} height={280}>
        {({ owners }) =>
          owners.length === 0 ? (
            <Empty height={240}>{t.queries.noBill}</Empty>
          ) : (
            <Table
              label={t.queries.bill}
              rows={[...owners].sort((a, b) => b.held_bytes - a.held_bytes)}
              rowKey={(owner) => owner.owner ?? ""}
              columns={[
                {
                  key: "owner",
                  name: t.words.owner,
                  render: (owner) => owner.owner ?? <span className="soft">{t.queries.nobody}</span>,
                },
                {
                  key: "tables",
                  name: t.words.tables,
                  wide: true,
                  grows: true,
                  render: (owner) => (
                    <span className="clip">
                      {owner.tables.slice(0, TABLES_SHOWN).map((table) => (
                        <span key={table}>
                          <Link href={hrefOf("value", {}, table)}>
                            <TableName table={table} />
                          </Link>{" "}
                        </span>
                      ))}
                      {owner.tables.length > TABLES_SHOWN ? (
                        <small>+{f.count(owner.tables.length - TABLES_SHOWN)}</small>
                      ) : null}
                    </span>
                  ),
                },
                { key: "held", name: t.queries.held, number: true, render: (owner) => f.size(owner.held_bytes) },
                {
                  key: "cap",
                  name: t.queries.cap,
                  number: true,
                  wide: true,
                  render: (owner) => (owner.cap_bytes == null ? NOTHING : f.size(owner.cap_bytes)),
                },
                { key: "saved", name: t.words.saved, number: true, render: (owner) => f.duration(owner.saved_seconds) },
                {
                  key: "share",
                  name: t.queries.ofPossible,
                  number: true,
                  render: (owner) => f.percent(savedShare(owner)),
                },
                {
                  key: "earns",
                  name: t.queries.earnsPerGib,
                  number: true,
                  wide: true,
                  render: (owner) =>
                    owner.held_bytes > 0 ? f.density(owner.saved_seconds / owner.held_bytes) : NOTHING,
                },
                {
                  key: "queries",
                  name: t.words.queries,
                  number: true,
                  wide: true,
                  render: (owner) => f.count(owner.queries),
                },
              ]}
            />
          )
        }
      </Loaded>
    </Section>
  );
}
