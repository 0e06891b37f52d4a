// Any number of items: found by name, sorted by any figure, each with its explanation a click away.

import { useMemo } from "react";
import { csvPath } from "../../api/client";
import type { Item } from "../../api/types";
import { Search, Segments } from "../../parts/controls";
import { ItemName } from "../../parts/ItemName";
import { Link } from "../../parts/Link";
import { Section } from "../../parts/Section";
import type { Column } from "../../parts/table/columns";
import { VirtualTable } from "../../parts/table/VirtualTable";
import { NOTHING } from "../../text/format";
import { useWords } from "../../text/words";
import { useParam, useSearch } from "../../url/location";
import { oneOf, text } from "../../url/params";
import { ItemPanel } from "./ItemPanel";
import { ITEM_SORT, type ItemSort, itemQuery, useItems } from "./useItems";

const SEARCH = text();
const CHOSEN = text();
const WHICH = oneOf(["all", "listed", "unlisted"], "all");
const CSV_ROWS = 1_000_000;
const HEIGHT = 560;

interface ItemListProps {
  title: string;
  note?: string;
  table?: string;
  /** Shows only what is on the whitelist, and offers nothing else. */
  listedOnly?: boolean;
}

export function ItemList({ title, note, table, listedOnly = false }: ItemListProps) {
  const { t, f } = useWords();
  const [search, setSearch] = useParam("search", SEARCH, true);
  const [sort, setSort] = useParam("sort", ITEM_SORT);
  const [which, setWhich] = useParam("in", WHICH);
  const [chosen, choose] = useParam("item", CHOSEN);
  const listed = listedOnly ? true : which === "all" ? undefined : which === "listed";
  const question = { search, table, listed, sort };
  const list = useItems(question);
  const columns = useColumns(table !== undefined);
  return (
    <Section
      title={title}
      note={list.total === null ? note : t.items.found(f.count(list.total))}
      csv={csvPath("items", { ...itemQuery(question), limit: CSV_ROWS })}
      tools={
        <>
          {listedOnly ? null : (
            <Segments
              label={t.items.which}
              value={which}
              options={[
                { value: "all", name: t.items.all },
                { value: "listed", name: t.items.listed },
                { value: "unlisted", name: t.items.unlisted },
              ]}
              onChange={setWhich}
            />
          )}
          <Search label={t.items.search} value={search} onChange={setSearch} />
        </>
      }
    >
      <VirtualTable
        label={title}
        columns={columns}
        list={list}
        rowKey={(item) => item.item}
        height={HEIGHT}
        none={search ? t.items.noneFound : t.items.none}
        selected={chosen || null}
        sort={sort}
        onSort={setSort}
      />
      {chosen ? <ItemPanel item={chosen} onClose={() => choose("")} /> : null}
    </Section>
  );
}

function useColumns(ofOneTable: boolean): Column<Item, ItemSort>[] {
  const { t, f } = useWords();
  return useMemo<Column<Item, ItemSort>[]>(
    () => [
      {
        key: "rank",
        name: t.words.rank,
        number: true,
        wide: true,
        sort: "rank",
        smallFirst: true,
        render: (item) => (item.rank > 0 ? f.count(item.rank) : NOTHING),
      },
      {
        key: "item",
        name: t.words.item,
        grows: true,
        sort: "item",
        render: (item) => <ItemLink item={item.item} short={ofOneTable} />,
      },
      {
        key: "value",
        name: t.words.value,
        number: true,
        sort: "value",
        render: (item) => f.duration(item.value_seconds),
      },
      { key: "bytes", name: t.words.size, number: true, sort: "bytes", render: (item) => f.size(item.bytes) },
      {
        key: "density",
        name: t.words.density,
        number: true,
        wide: true,
        sort: "density",
        render: (item) => f.density(item.bytes > 0 ? item.value_seconds / item.bytes : 0),
      },
      {
        key: "requests",
        name: t.words.requests,
        number: true,
        wide: true,
        sort: "requests",
        render: (item) => f.count(item.requests),
      },
      { key: "verdict", name: t.words.verdict, wide: true, render: (item) => <Verdict item={item} /> },
    ],
    [t, f, ofOneTable],
  );
}

function ItemLink({ item, short }: { item: string; short: boolean }) {
  const params = new URLSearchParams(useSearch());
  params.set("item", item);
  params.sort();
  return (
    <Link href={`${location.pathname}?${params}`} className={short ? "item-link short" : "item-link"}>
      <ItemName item={item} />
    </Link>
  );
}

function Verdict({ item }: { item: Item }) {
  const { t } = useWords();
  const ruling = item.ruling ? t.items.rulings[item.ruling] : null;
  return (
    <span className={item.whitelisted ? "in" : "out"}>
      {item.whitelisted ? t.items.in : t.items.out}
      {ruling ? ` · ${ruling}` : ""}
    </span>
  );
}
