// What the cache earns, which table earns most, and what to do next.

import { useMemo } from "react";
import { useToday } from "../../api/today";
import { dataOf, useApi } from "../../api/use";
import { RangePicker } from "../../parts/controls";
import { Loaded } from "../../parts/states";
import { useParam } from "../../url/location";
import { addDays, daysOf, rangeParam } from "../../url/range";
import { attention } from "./notices";
import { Attention } from "./Attention";
import { Capacity } from "./Capacity";
import { Earned } from "./Earned";
import { Latency } from "./Latency";
import { Lead } from "./Lead";
import { SavedChart } from "./SavedChart";
import { TopTables } from "./TopTables";

const RANGE = rangeParam(7);
const MONTH_DAYS = 30;
const NO_PARAMETERS = {};
const NEWEST_VERSIONS = { query: { limit: 5 } };
const LAST_NIGHT = { query: { limit: 1 } };
const OFTEN = { everyMs: 10_000, keepLast: true };
const SELDOM = { everyMs: 60_000, keepLast: true };

/** Of each item the overview says nothing: their sums do. */
const TOTALS = { query: { items: false } };

export default function Overview() {
  const today = useToday();
  const [range, setRange] = useParam("range", RANGE);
  const days = today === null ? null : daysOf(range, today);
  const hourly = days !== null && days.from === days.to;
  const asked = days && { query: { ...days, step: hourly ? ("hour" as const) : ("day" as const) } };
  const month =
    today === null ? null : { query: { from: addDays(today, 1 - MONTH_DAYS), to: today, step: "day" as const } };

  const usage = useApi("/api/v1/usage", asked, OFTEN);
  const monthUsage = useApi("/api/v1/usage", month, SELDOM);
  const tables = useApi("/api/v1/tables", NO_PARAMETERS, SELDOM);
  const residency = useApi("/api/v1/residency", TOTALS, SELDOM);
  const workers = useApi("/api/v1/workers", NO_PARAMETERS, OFTEN);
  const preload = useApi("/api/v1/preload", TOTALS, OFTEN);
  const versions = useApi("/api/v1/whitelist/history", NEWEST_VERSIONS, SELDOM);
  const nights = useApi("/api/v1/nights", LAST_NIGHT, SELDOM);
  const curve = useApi("/api/v1/curve", NO_PARAMETERS, SELDOM);

  const asks = [usage, residency, workers, preload, versions, nights, tables, curve];
  const failures = asks.flatMap((known) =>
    known.state === "failed"
      ? [known.error.message]
      : known.state === "ready" && known.stale
        ? [known.stale.message]
        : [],
  );
  const failed = failures.join("\n");
  const notices = useMemo(
    () =>
      attention({
        failures: failed === "" ? [] : failed.split("\n"),
        usage: dataOf(usage),
        residency: dataOf(residency),
        workers: dataOf(workers),
        preload: dataOf(preload),
        versions: dataOf(versions),
        nights: dataOf(nights),
        tables: dataOf(tables),
        curve: dataOf(curve),
      }),
    [failed, usage, residency, workers, preload, versions, nights, tables, curve],
  );
  const settled = asks.every((known) => known.state !== "loading");

  return (
    <>
      <div className="lead-row">
        <Loaded of={usage} height={64}>
          {(data) => <Lead usage={data} range={range} tables={dataOf(tables)} />}
        </Loaded>
        <RangePicker value={range} days={days} onChange={setRange} />
      </div>
      {usage.state === "failed" ? null : (
        <Loaded of={monthUsage} height={104}>
          {(data) => <Earned month={data} usage={dataOf(usage)} range={range} />}
        </Loaded>
      )}
      <div className="columns wide-first">
        <SavedChart usage={usage} hourly={hourly} asked={asked?.query} />
        <Attention notices={notices} settled={settled} />
      </div>
      <div className="columns thirds">
        <TopTables tables={tables} />
        <Latency usage={usage} range={range} asked={asked?.query} />
        <Capacity residency={residency} />
      </div>
    </>
  );
}
