// The first page: what the cache earns, which table earns most, and what to do next.

import { useMemo, useState } from "react";
import type { Curve, Snapshot, Table } from "./api";
import { Chart, colour } from "./Chart";
import {
  arrange,
  attention,
  byteHitRatio,
  count,
  density,
  duration,
  percent,
  rows,
  size,
  type SortKey,
} from "./derive";

/** Rows beyond this are found by searching: the page stays fluid with 100,000 items. */
const ROWS_SHOWN = 200;
const TABLES_SHOWN = 12;

export function Overview({ snapshot }: { snapshot: Snapshot }) {
  return (
    <>
      <Figures snapshot={snapshot} />
      <Attention snapshot={snapshot} />
      <div className="columns">
        <section aria-labelledby="earns">
          <h2 id="earns">What each table earns</h2>
          <TableBars tables={snapshot.tables} />
        </section>
        <section aria-labelledby="curve">
          <h2 id="curve">What more SSD would bring</h2>
          <CapacityCurve curve={snapshot.curve} />
        </section>
      </div>
      <Whitelisted snapshot={snapshot} />
      <LastNight snapshot={snapshot} />
    </>
  );
}

function Figures({ snapshot }: { snapshot: Snapshot }) {
  const { stat, residency, whitelist, nights } = snapshot;
  const yesterday = nights[0];
  return (
    <dl className="figures">
      <Figure name="IO time saved" value={duration(stat.saved_io_seconds)} note={`in ${duration(stat.uptime_seconds)} of this daemon`} />
      <Figure
        name="Saved the day before"
        value={yesterday ? duration(yesterday.report.realised_seconds) : "–"}
        note={yesterday ? `on ${yesterday.night}, by the access log` : "no night has run yet"}
      />
      <Figure name="Bytes from cache" value={percent(byteHitRatio(stat))} note={`${count(stat.get_requests)} reads`} />
      <Figure
        name="Read from the origin"
        value={size(stat.bytes_direct + stat.origin_bytes_demand + stat.origin_bytes_preload)}
        note={`direct ${size(stat.bytes_direct)}, fills ${size(stat.origin_bytes_demand)}, preload ${size(stat.origin_bytes_preload)}`}
      />
      {residency.tiers.map((tier) => (
        <Figure
          key={tier.tier}
          name={tier.tier === "ssd" ? "SSD" : "Memory"}
          value={size(tier.used_bytes)}
          note={`of ${size(tier.capacity_bytes)}${{ opening: ", opening", in_use: "", full: ", disk full", slow: ", too slow", out_of_use: ", failing" }[tier.state]}`}
          share={tier.used_bytes / Math.max(tier.capacity_bytes, 1)}
        />
      ))}
      <Figure
        name="Whitelist"
        value={whitelist ? `v${whitelist.version}` : "none"}
        note={whitelist ? `${count(whitelist.items.length)} items, cut at ${density(whitelist.cut_density)}` : "everything is admitted"}
      />
    </dl>
  );
}

function Figure({ name, value, note, share }: { name: string; value: string; note: string; share?: number }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>
        <strong>{value}</strong>
        {share === undefined ? null : <meter min={0} max={1} value={share} aria-label={`${name} in use`} />}
        <small>{note}</small>
      </dd>
    </div>
  );
}

function Attention({ snapshot }: { snapshot: Snapshot }) {
  const notices = attention(snapshot);
  const { preload } = snapshot;
  return (
    <section aria-label="What needs attention" className="attention">
      {preload.running ? (
        <p>
          Preloading: {size(preload.bytes_loaded + preload.bytes_resident)} of {size(preload.bytes_total)},{" "}
          {preload.items.filter((item) => item.state === "done").length} of {preload.items.length} items{" "}
          <progress max={Math.max(preload.bytes_total, 1)} value={preload.bytes_loaded + preload.bytes_resident} />
        </p>
      ) : null}
      {notices.length === 0 ? <p className="well">Nothing needs attention.</p> : null}
      <ul>
        {notices.map((notice) => (
          <li key={notice.text} className={notice.level}>
            {notice.text}
          </li>
        ))}
      </ul>
    </section>
  );
}

function TableBars({ tables }: { tables: Table[] }) {
  const option = useMemo(() => {
    const shown = [...tables].sort((a, b) => b.value_seconds - a.value_seconds).slice(0, TABLES_SHOWN).reverse();
    const bar = (name: string, colourName: string, value: (table: Table) => number) => ({
      name,
      type: "bar",
      stack: "value",
      barMaxWidth: 18,
      itemStyle: { color: colour(colourName) },
      data: shown.map(value),
    });
    return {
      animation: false,
      grid: { left: 4, right: 16, top: 4, bottom: 4, containLabel: true },
      tooltip: { trigger: "axis", axisPointer: { type: "shadow" }, valueFormatter: (value: unknown) => duration(Number(value)) },
      xAxis: { type: "value", axisLabel: { color: colour("soft"), formatter: duration }, splitLine: { lineStyle: { color: colour("line") } } },
      yAxis: { type: "category", data: shown.map((table) => table.table), axisLabel: { color: colour("ink") } },
      series: [
        bar("kept near", "accent", (table) => table.whitelisted_value_seconds),
        bar("left at the origin", "faint", (table) => Math.max(table.value_seconds - table.whitelisted_value_seconds, 0)),
      ],
    };
  }, [tables]);
  if (tables.length === 0) return <Empty>No table has been read yet. The first night fills this in.</Empty>;
  return <Chart option={option} height={Math.max(140, 26 * Math.min(tables.length, TABLES_SHOWN) + 40)} label="IO time that each table saves or could save" />;
}

function CapacityCurve({ curve }: { curve: Curve | null }) {
  const option = useMemo(() => {
    const points = curve?.points ?? [];
    return {
      animation: false,
      grid: { left: 4, right: 24, top: 20, bottom: 4, containLabel: true },
      tooltip: { trigger: "axis", valueFormatter: (value: unknown) => duration(Number(value)) },
      xAxis: { type: "value", max: "dataMax", axisLabel: { color: colour("soft"), formatter: size }, splitLine: { show: false } },
      yAxis: { type: "value", axisLabel: { color: colour("soft"), formatter: duration }, splitLine: { lineStyle: { color: colour("line") } } },
      series: [
        {
          name: "IO time saved",
          type: "line",
          showSymbol: false,
          lineStyle: { color: colour("accent"), width: 2 },
          itemStyle: { color: colour("accent") },
          areaStyle: { color: colour("accent"), opacity: 0.12 },
          data: points.map((point) => [point.capacity_bytes, point.hours_saved * 3600]),
          markLine: {
            symbol: "none",
            label: { formatter: "today", color: colour("soft") },
            lineStyle: { color: colour("soft") },
            data: [{ xAxis: curve?.budget_bytes ?? 0 }],
          },
        },
      ],
    };
  }, [curve]);
  if (!curve || curve.points.length === 0) return <Empty>No choice has been made yet. The first night draws this curve.</Empty>;
  return <Chart option={option} height={240} label="IO time saved over the history, against capacity" />;
}

const HEADINGS: { key: SortKey; name: string }[] = [
  { key: "item", name: "Item" },
  { key: "bytes", name: "Size" },
  { key: "value", name: "Value" },
  { key: "density", name: "Density" },
  { key: "resident", name: "Resident" },
];

function Whitelisted({ snapshot }: { snapshot: Snapshot }) {
  const [search, setSearch] = useState("");
  const [sort, setSort] = useState<{ key: SortKey; descending: boolean }>({ key: "density", descending: true });
  const all = useMemo(() => rows(snapshot), [snapshot]);
  const found = useMemo(() => arrange(all, search, sort.key, sort.descending), [all, search, sort]);
  const { whitelist } = snapshot;
  if (!whitelist) {
    return (
      <section>
        <h2>Whitelist</h2>
        <Empty>There is no whitelist yet. Read some tables through Larder, then run larder nightly.</Empty>
      </section>
    );
  }
  return (
    <section aria-labelledby="whitelist">
      <header>
        <h2 id="whitelist">Whitelist v{whitelist.version}</h2>
        <p>
          {whitelist.reason}; {size(all.reduce((sum, row) => sum + row.bytes, 0))} of {size(whitelist.budget_bytes)}
        </p>
        <input type="search" placeholder="Find an item" aria-label="Find an item" value={search} onChange={(event) => setSearch(event.target.value)} />
      </header>
      <div className="scroll">
        <table>
          <thead>
            <tr>
              {HEADINGS.map(({ key, name }) => (
                <th key={key} scope="col" aria-sort={sort.key === key ? (sort.descending ? "descending" : "ascending") : "none"}>
                  <button type="button" onClick={() => setSort({ key, descending: sort.key === key ? !sort.descending : key !== "item" })}>
                    {name}
                    {sort.key === key ? (sort.descending ? " ↓" : " ↑") : ""}
                  </button>
                </th>
              ))}
              <th scope="col">Why</th>
            </tr>
          </thead>
          <tbody>
            {found.slice(0, ROWS_SHOWN).map((row) => (
              <tr key={row.item}>
                <td>{row.item}</td>
                <td>{size(row.bytes)}</td>
                <td>{duration(row.value)}</td>
                <td>{density(row.density)}</td>
                <td>{percent(row.resident)}</td>
                <td>{row.reason}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {found.length === 0 ? <Empty>No item matches.</Empty> : null}
      {found.length > ROWS_SHOWN ? <p className="more">{count(found.length - ROWS_SHOWN)} more; search to find them.</p> : null}
    </section>
  );
}

function LastNight({ snapshot }: { snapshot: Snapshot }) {
  const night = snapshot.nights[0];
  if (!night) return null;
  const { report } = night;
  return (
    <section aria-labelledby="night">
      <h2 id="night">Last night</h2>
      <p>
        {night.night}: {report.outcome}. {count(report.added_count)} items came, {count(report.removed_count)} left.{" "}
        {report.unattributed_bytes > 0 ? `${size(report.unattributed_bytes)} were read of no known table.` : ""}
      </p>
    </section>
  );
}

function Empty({ children }: { children: string }) {
  return <p className="empty">{children}</p>;
}
