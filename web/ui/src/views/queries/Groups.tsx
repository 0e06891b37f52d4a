// Queries by user, engine or table; a name leads to its queries.

import type { QueryGroup } from "../../api/types";
import { Bar } from "../../parts/figures";
import { Link } from "../../parts/Link";
import { Section } from "../../parts/Section";
import { Empty } from "../../parts/states";
import { Table } from "../../parts/table/Table";
import { useWords } from "../../text/words";
import { useParam, useSearch } from "../../url/location";
import { sort, type Sort } from "../../url/params";

const KEYS = ["name", "queries", "seconds", "read_bytes"] as const;
type Key = (typeof KEYS)[number];
const SORT = sort(KEYS, { key: "seconds", descending: true });

export function arrangedGroups(groups: QueryGroup[], { key, descending }: Sort<Key>): QueryGroup[] {
  const sign = descending ? -1 : 1;
  return [...groups].sort((a, b) => sign * (key === "name" ? a.name.localeCompare(b.name) : a[key] - b[key]));
}

export function Groups({
  kind,
  groups,
  total,
  kept,
  csv,
  none,
}: {
  kind: "user" | "engine" | "table";
  groups: QueryGroup[];
  /** How many there are, also those that are not given. */
  total: number;
  /** So many of each day's longest and largest queries these are of; null where they are of all. */
  kept: number | null;
  csv: string;
  /** Why there is none, where there is none. */
  none: string;
}) {
  const { t, f } = useWords();
  const [by, setBy] = useParam("sort", SORT);
  const search = useSearch();
  const rows = arrangedGroups(groups, by);
  const most = Math.max(...groups.map((group) => group.seconds), 1e-9);
  const hrefTo = (name: string) => {
    const params = new URLSearchParams(search);
    for (const gone of ["tab", "sort", "query"]) params.delete(gone);
    params.set(kind, name);
    return `/queries?${params}`;
  };
  return (
    <Section
      title={t.queries.byKind[kind]}
      note={kept === null ? t.queries.groupsNote : t.queries.groupsKept(f.count(kept))}
      csv={csv}
    >
      {rows.length === 0 ? (
        <Empty height={240}>{none}</Empty>
      ) : (
        <Table<QueryGroup, Key>
          label={t.queries.byKind[kind]}
          rows={rows}
          rowKey={(group) => group.name}
          sort={by}
          onSort={setBy}
          columns={[
            {
              key: "name",
              name: t.queries.tabs[kind],
              grows: true,
              sort: "name",
              render: (group) => <Link href={hrefTo(group.name)}>{group.name}</Link>,
            },
            {
              key: "queries",
              name: t.words.queries,
              number: true,
              sort: "queries",
              render: (group) => f.count(group.queries),
            },
            {
              key: "seconds",
              name: t.words.took,
              number: true,
              wide: true,
              sort: "seconds",
              render: (group) => f.duration(group.seconds),
            },
            {
              key: "bytes",
              name: t.words.readBytes,
              number: true,
              wide: true,
              sort: "read_bytes",
              render: (group) => f.size(group.read_bytes),
            },
            {
              key: "bar",
              name: t.words.share,
              plain: true,
              wide: true,
              render: (group) => <Bar share={group.seconds / most} tone="amber" />,
            },
          ]}
        />
      )}
      {total > rows.length ? <p className="soft">{t.parts.more(f.count(total - rows.length))}</p> : null}
    </Section>
  );
}
