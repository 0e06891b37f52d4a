// What differs between two versions.

import { csvPath } from "../../api/client";
import type { Version, WhitelistItem } from "../../api/types";
import { type Known, useApi } from "../../api/use";
import { Select } from "../../parts/controls";
import { ItemName } from "../../parts/ItemName";
import { Link } from "../../parts/Link";
import { CsvLink, Section } from "../../parts/Section";
import { Empty, Loaded } from "../../parts/states";
import { Table } from "../../parts/table/Table";
import { useWords } from "../../text/words";
import { useParam } from "../../url/location";
import { whole } from "../../url/params";
import { hrefOf } from "../../url/views";

const VERSION = whole();

export function Diff({ versions }: { versions: Known<Version[]> }) {
  const { t } = useWords();
  return (
    <Loaded of={versions} height={400}>
      {(all) => (all.length === 0 ? <Empty height={200}>{t.whitelist.none}</Empty> : <TwoVersions versions={all} />)}
    </Loaded>
  );
}

/** Which versions are compared: those of the URL, else the newest with the one before it. */
export function compared(versions: Version[], from: number | null, to: number | null): { from: number; to: number } {
  const newest = to ?? versions[0]?.version ?? 0;
  const before = versions.find((version) => version.version < newest)?.version ?? 0;
  return { from: from ?? before, to: newest };
}

function TwoVersions({ versions }: { versions: Version[] }) {
  const { t, f } = useWords();
  const [from, setFrom] = useParam("from", VERSION);
  const [to, setTo] = useParam("to", VERSION);
  const asked = compared(versions, from, to);
  const diff = useApi("/api/v1/whitelist/diff", { query: asked }, { keepLast: true });
  const known = versions.some((version) => version.version === 0)
    ? versions
    : [
        ...versions.map(({ version, created, status }) => ({ version, created, status })),
        { version: 0, created: "", status: "published" as const },
      ];
  const options = known.map(({ version, created, status }) => ({
    value: String(version),
    name:
      version === 0
        ? t.whitelist.nothing
        : `v${version} · ${f.moment(created)}${status === "proposed" ? ` · ${t.whitelist.proposed}` : ""}`,
  }));
  return (
    <Section
      title={t.whitelist.tabs.diff}
      tools={
        <>
          <Select
            label={t.parts.from}
            value={String(asked.from)}
            options={options}
            onChange={(version) => setFrom(Number(version))}
          />
          <Select
            label={t.parts.to}
            value={String(asked.to)}
            options={options}
            onChange={(version) => setTo(Number(version))}
          />
        </>
      }
    >
      <Loaded of={diff} height={320}>
        {({ added, removed, changed, unchanged }) => (
          <>
            <p>
              {t.whitelist.diffSum(
                f.count(added.length),
                f.count(removed.length),
                f.count(changed.length),
                f.count(unchanged),
              )}
            </p>
            <Items
              csv={csvPath("whitelist/diff", { ...asked, rows: "added" })}
              title={t.whitelist.added(f.count(added.length))}
              mark="+"
              items={added}
            />
            <Items
              csv={csvPath("whitelist/diff", { ...asked, rows: "removed" })}
              title={t.whitelist.removed(f.count(removed.length))}
              mark="−"
              items={removed}
            />
            <Items
              csv={csvPath("whitelist/diff", { ...asked, rows: "changed" })}
              title={t.whitelist.changed(f.count(changed.length))}
              mark="~"
              items={changed}
            />
          </>
        )}
      </Loaded>
    </Section>
  );
}

/** Beyond these the CSV has the rest. */
const SHOWN = 500;

function Items({ title, mark, items, csv }: { csv: string; title: string; mark: string; items: WhitelistItem[] }) {
  const { t, f } = useWords();
  if (items.length === 0) return null;
  return (
    <>
      <h3>
        {title} <CsvLink href={csv} />
      </h3>
      <Table
        label={title}
        maxHeight={360}
        rows={items.slice(0, SHOWN)}
        rowKey={(item) => item.item}
        columns={[
          {
            key: "mark",
            name: t.words.what,
            plain: true,
            render: () => <span className={mark === "+" ? "in" : mark === "−" ? "out" : ""}>{mark}</span>,
          },
          {
            key: "item",
            name: t.words.item,
            grows: true,
            render: (item) => (
              <Link href={hrefOf("value", { item: item.item })} className="item-link">
                <ItemName item={item.item} />
              </Link>
            ),
          },
          { key: "value", name: t.words.value, number: true, render: (item) => f.duration(item.value_seconds) },
          { key: "bytes", name: t.words.size, number: true, render: (item) => f.size(item.bytes) },
          {
            key: "density",
            name: t.words.density,
            number: true,
            wide: true,
            render: (item) => f.density(item.bytes > 0 ? item.value_seconds / item.bytes : 0),
          },
        ]}
      />
      {items.length > SHOWN ? <p className="soft">{t.parts.more(f.count(items.length - SHOWN))}</p> : null}
    </>
  );
}
