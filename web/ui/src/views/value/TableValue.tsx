// One table: what it is worth, where its reads fall, how they age, and how well they were foreseen.

import { csvPath } from "../../api/client";
import { useApi } from "../../api/use";
import { Segments } from "../../parts/controls";
import { Figure, Figures } from "../../parts/figures";
import { Link } from "../../parts/Link";
import { Loaded } from "../../parts/states";
import { useWords } from "../../text/words";
import { useParam } from "../../url/location";
import { oneOf } from "../../url/params";
import { hrefOf } from "../../url/views";
import { ItemList } from "../item/ItemList";
import { Ages } from "./Ages";
import { Forecast } from "./Forecast";
import { Heat } from "./Heat";
import { TableMap } from "./TableMap";

const NO_PARAMETERS = {};
const LENGTHS = ["7", "30", "90"] as const;
const DAYS = oneOf(LENGTHS, "30");

export default function TableValue({ table }: { table: string }) {
  const { t, f } = useWords();
  const tables = useApi("/api/v1/tables", NO_PARAMETERS);
  const [length, setLength] = useParam("days", DAYS);
  const query = { days: Number(length) };
  const days = useApi("/api/v1/tables/{table}/days", { path: { table }, query });
  const csv = (rows: string) => csvPath(`tables/${encodeURIComponent(table)}/days`, { ...query, rows });
  return (
    <>
      <div className="toolbar">
        <p className="crumbs">
          <span>
            <Link href={hrefOf("value")}>{t.views.value}</Link> / <strong>{table}</strong>
          </span>
          <Link href={hrefOf("queries", { table })}>{t.value.itsQueries}</Link>
        </p>
        <Segments
          label={t.parts.range}
          value={length}
          options={LENGTHS.map((value) => ({ value, name: t.parts.lastDays(Number(value)) }))}
          onChange={setLength}
        />
      </div>
      <Loaded of={tables} height={88}>
        {(all) => {
          const known = all.find((row) => row.table === table);
          if (!known) return <p className="lead">{t.value.unknownTable(f.count(all.length))}</p>;
          const kept =
            known.value_seconds > 0 ? Math.min(known.whitelisted_value_seconds / known.value_seconds, 1) : null;
          return (
            <Figures label={table}>
              <Figure
                name={t.words.value}
                value={f.duration(known.value_seconds)}
                note={t.value.ofAllValue(f.percent(known.value_share))}
              />
              <Figure
                name={t.words.keptNear}
                value={f.percent(kept)}
                share={kept}
                note={t.value.itemsOf(f.count(known.whitelisted_items), f.count(known.items))}
              />
              <Figure
                name={t.words.size}
                value={f.size(known.bytes)}
                note={t.value.listedBytes(f.size(known.whitelisted_bytes))}
              />
              <Figure
                name={t.words.requests}
                value={f.compact(known.requests)}
                note={t.value.readBytes(f.size(known.read_bytes))}
              />
            </Figures>
          );
        }}
      </Loaded>
      <Heat table={table} days={days} csv={csv("partitions")} />
      <div className="columns">
        <Forecast days={days} csv={csv("forecast")} />
        <Ages days={days} csv={csv("ages")} />
      </div>
      <TableMap table={table} />
      <ItemList title={t.value.itemsOfTable} table={table} />
    </>
  );
}
