// Queries, the slowest, largest, least cached or most improvable first; each unfolds to what it read.

import type { Queries, QueryRow } from "../../api/types";
import { Segments } from "../../parts/controls";
import { TableName } from "../../parts/ItemName";
import { Link } from "../../parts/Link";
import { Section } from "../../parts/Section";
import { Empty } from "../../parts/states";
import { Table } from "../../parts/table/Table";
import { useWords } from "../../text/words";
import { setParams, useParam } from "../../url/location";
import { text } from "../../url/params";
import { fixed } from "../../url/range";
import { adviceOf } from "./advice";
import { QueryDetail } from "./QueryDetail";

export const SORTS = ["duration", "bytes", "missed", "cached"] as const;
type By = (typeof SORTS)[number];
const CHOSEN = text();

export function QueryList({
  data,
  sort,
  onSort,
  csv,
  none,
}: {
  data: Queries;
  sort: By;
  onSort(sort: By): void;
  csv: string;
  /** Why there is none, where there is none. */
  none: string;
}) {
  const { t, f } = useWords();
  const [chosen] = useParam("query", CHOSEN);
  const isShown = data.queries.some((query) => query.query_id === chosen);
  // With its days, so that the address leads to it tomorrow too.
  const choose = (id: string) => setParams(id === chosen ? { query: null } : { query: id, range: fixed(data) });
  return (
    <Section
      title={t.queries.tabs.queries}
      note={t.queries.shown(f.count(data.queries.length), f.count(data.total), f.count(data.kept_of_a_day))}
      csv={csv}
      tools={
        <Segments
          label={t.queries.order}
          value={sort}
          options={SORTS.map((value) => ({ value, name: t.queries.sorts[value] }))}
          onChange={onSort}
        />
      }
    >
      {chosen && !isShown ? (
        <p className="warn" role="status">
          {t.queries.notShown(chosen)}
        </p>
      ) : null}
      {data.queries.length === 0 ? (
        <Empty height={240}>{none}</Empty>
      ) : (
        <Table
          label={t.queries.tabs.queries}
          maxHeight={640}
          rows={data.queries}
          rowKey={(query) => query.query_id}
          selected={chosen || null}
          detail={(query) => <QueryDetail query={query} />}
          columns={[
            {
              key: "created",
              name: t.words.when,
              render: (query) => (
                <button
                  type="button"
                  className="link"
                  aria-expanded={chosen === query.query_id}
                  onClick={() => choose(query.query_id)}
                >
                  {f.moment(query.created)}
                </button>
              ),
            },
            { key: "user", name: t.words.user, wide: true, render: (query) => query.user },
            { key: "engine", name: t.words.engine, wide: true, render: (query) => query.engine },
            {
              key: "tables",
              name: t.words.tables,
              grows: true,
              wide: true,
              render: (query) => <TableNames query={query} />,
            },
            {
              key: "seconds",
              name: t.words.took,
              number: true,
              render: (query) => <span className={query.succeeded ? "" : "bad"}>{f.duration(query.seconds)}</span>,
            },
            {
              key: "bytes",
              name: t.words.readBytes,
              number: true,
              wide: true,
              render: (query) => f.size(query.read_bytes),
            },
            { key: "cached", name: t.words.cached, number: true, render: (query) => f.percent(query.cached_share) },
            { key: "missed", name: t.words.missed, number: true, render: (query) => f.duration(query.missed_seconds) },
            {
              key: "advice",
              name: t.queries.wouldHelp,
              wide: true,
              render: (query) => {
                const advice = adviceOf(query, t);
                return advice.act ? (
                  <Link href={advice.act.href}>{advice.act.words}</Link>
                ) : (
                  <span className="soft">{advice.words}</span>
                );
              },
            },
          ]}
        />
      )}
    </Section>
  );
}

function TableNames({ query }: { query: QueryRow }) {
  const [first, ...more] = query.reads;
  if (!first) return null;
  return (
    <span className="tables" title={query.reads.map((each) => each.table).join(", ")}>
      <TableName table={first.table} />
      {more.length > 0 ? <small> +{more.length}</small> : null}
    </span>
  );
}
