// The items of a preload, each with how far it is.

import { useMemo } from "react";
import { csvPath } from "../../api/client";
import type { PreloadItem } from "../../api/types";
import { Search } from "../../parts/controls";
import { Bar } from "../../parts/figures";
import { ItemName } from "../../parts/ItemName";
import { Link } from "../../parts/Link";
import { Section } from "../../parts/Section";
import type { Column } from "../../parts/table/columns";
import type { Paged } from "../../parts/table/usePages";
import { VirtualTable } from "../../parts/table/VirtualTable";
import { notLoadedWords } from "../../text/said";
import { useWords } from "../../text/words";
import { useParam } from "../../url/location";
import { sort, type Sort, text } from "../../url/params";
import { hrefOf } from "../../url/views";
import { heldBytes } from "./progress";

const SEARCH = text();
const KEYS = ["order", "item", "state", "bytes", "progress"] as const;
type Key = (typeof KEYS)[number];
const SORT = sort(KEYS, { key: "order", descending: false });
const STATES: PreloadItem["state"][] = ["failed", "left_out", "loading", "waiting", "done"];

/** Found and sorted, here: a preload is one answer, not pages. Pure. */
export function arranged(items: PreloadItem[], search: string, { key, descending }: Sort<Key>): PreloadItem[] {
  const wanted = search.trim().toLowerCase();
  const found = wanted ? items.filter((item) => item.item.toLowerCase().includes(wanted)) : [...items];
  if (key === "order") return found;
  const sign = descending ? -1 : 1;
  if (key === "item") return found.sort((a, b) => sign * a.item.localeCompare(b.item));
  const of = (item: PreloadItem) =>
    key === "bytes"
      ? item.bytes
      : key === "state"
        ? STATES.indexOf(item.state)
        : heldBytes(item) / Math.max(item.bytes, 1);
  return found.sort((a, b) => sign * (of(a) - of(b)));
}

const noLook = () => {};

export function PreloadItems({ items, outOnly }: { items: PreloadItem[]; outOnly: boolean }) {
  const { t, f } = useWords();
  const [search, setSearch] = useParam("search", SEARCH, true);
  const [by, setBy] = useParam("sort", SORT);
  const shown = useMemo(() => arranged(items, search, by), [items, search, by.key, by.descending]);
  const list: Paged<PreloadItem> = { total: shown.length, error: null, rowAt: (index) => shown[index], look: noLook };
  const columns = useMemo<Column<PreloadItem, Key>[]>(
    () => [
      {
        key: "item",
        name: t.words.item,
        grows: true,
        sort: "item",
        render: (item) => (
          <Link href={hrefOf("value", { item: item.item })} className="item-link">
            <ItemName item={item.item} />
          </Link>
        ),
      },
      {
        key: "state",
        name: t.words.state,
        sort: "state",
        wide: outOnly,
        render: (item) => <span className={`state ${item.state}`}>{t.preload.states[item.state]}</span>,
      },
      ...(outOnly
        ? []
        : [
            {
              key: "bar",
              name: t.words.share,
              plain: true,
              wide: true,
              render: (item: PreloadItem) => <Bar share={heldBytes(item) / Math.max(item.bytes, 1)} />,
            },
            {
              key: "progress",
              name: t.preload.progress,
              number: true,
              sort: "progress" as const,
              render: (item: PreloadItem) => f.percent(heldBytes(item) / Math.max(item.bytes, 1)),
            },
          ]),
      {
        key: "bytes",
        name: t.words.size,
        number: true,
        wide: true,
        sort: "bytes",
        render: (item) => f.size(item.bytes),
      },
      ...(outOnly
        ? [
            {
              key: "why",
              name: t.words.why,
              render: (item: PreloadItem) => (
                <span className="soft clip" title={item.why?.words ?? ""}>
                  {item.why ? notLoadedWords(item.why, t, f) : t.preload.noReason}
                </span>
              ),
            },
          ]
        : []),
    ],
    [t, f, outOnly],
  );
  return (
    <Section
      title={outOnly ? t.preload.leftOut : t.preload.items}
      note={outOnly ? t.preload.leftOutNote : undefined}
      csv={csvPath("preload")}
      csvWhy={t.preload.csvWhy}
      tools={<Search label={t.items.search} value={search} onChange={setSearch} />}
    >
      <VirtualTable
        label={t.preload.items}
        columns={columns}
        list={list}
        rowKey={(item) => item.item}
        height={480}
        none={search ? t.items.noneFound : outOnly ? t.preload.nothingLeftOut : t.preload.none}
        sort={by}
        onSort={setBy}
      />
    </Section>
  );
}
