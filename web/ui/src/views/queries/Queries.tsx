// Queries: which are slow, large or little cached, whose they are, and what would have helped.

import { csvPath, QUERIES_MAX } from "../../api/client";
import { useDays } from "../../api/today";
import { useApi } from "../../api/use";
import { RangePicker, Tabs } from "../../parts/controls";
import { Loaded } from "../../parts/states";
import { useWords } from "../../text/words";
import { setParams, useParam } from "../../url/location";
import { oneOf, text } from "../../url/params";
import { daysOf, rangeParam } from "../../url/range";
import { BillTable } from "./BillTable";
import { Groups } from "./Groups";
import { noneWords } from "./none";
import { QueryList, SORTS } from "./QueryList";

const RANGE = rangeParam(7);
const TABS = ["queries", "user", "engine", "table", "bill"] as const;
const TAB = oneOf(TABS, "queries");
const SORT = oneOf(SORTS, "duration");
const TEXT = text();
const FILTERS = ["user", "engine", "table"] as const;

export default function Queries() {
  const { t, f } = useWords();
  const [tab, setTab] = useParam("tab", TAB);
  const [range, setRange] = useParam("range", RANGE);
  const [by, setBy] = useParam("by", SORT);
  const [user] = useParam("user", TEXT);
  const [engine] = useParam("engine", TEXT);
  const [table] = useParam("table", TEXT);
  const known = useDays();
  // Of later days nothing is known yet: nights read the logs of the days before them.
  const days = known && daysOf(range, known.readTo ?? known.today);
  const filters = { user, engine, table };
  const query = days && {
    ...days,
    user: user || null,
    engine: engine || null,
    table: table || null,
    sort: by,
    limit: 200,
    groups: 500,
  };
  const queries = useApi("/api/v1/queries", query && { query }, { keepLast: true });
  const set = FILTERS.filter((filter) => filters[filter] !== "");
  const none = noneWords({ from: days?.from ?? "", readTo: known?.readTo ?? null, filtered: set.length > 0 }, t, f);
  return (
    <>
      <div className="toolbar">
        <Tabs
          label={t.views.queries}
          value={tab}
          options={TABS.map((name) => ({ value: name, name: t.queries.tabs[name] }))}
          onChange={setTab}
        />
        <span className="range">
          {known?.readTo ? <small className="soft">{t.queries.readTo(f.day(known.readTo))}</small> : null}
          <RangePicker value={range} days={days} oneDay={t.queries.lastDay} onChange={setRange} />
        </span>
      </div>
      {set.length > 0 ? (
        <p className="filters">
          {set.map((filter) => (
            <button
              key={filter}
              type="button"
              className="chip"
              onClick={() => setParams({ [filter]: null })}
              aria-label={t.queries.without(t.queries.tabs[filter], filters[filter])}
            >
              {t.queries.tabs[filter]}: {filters[filter]} <span aria-hidden="true">×</span>
            </button>
          ))}
        </p>
      ) : null}
      {tab === "bill" ? (
        <BillTable days={days} />
      ) : (
        <Loaded of={queries} height={480}>
          {(data) => (
            <>
              {tab === "queries" ? (
                <QueryList
                  data={data}
                  sort={by}
                  onSort={setBy}
                  csv={csvPath("queries", { ...query, limit: QUERIES_MAX })}
                  none={none}
                />
              ) : (
                <Groups
                  kind={tab}
                  groups={{ user: data.by_user, engine: data.by_engine, table: data.by_table }[tab]}
                  total={{ user: data.users_total, engine: data.engines_total, table: data.tables_total }[tab]}
                  kept={set.length > 0 ? data.kept_of_a_day : null}
                  csv={csvPath("queries", { ...query, rows: `by_${tab}`, groups: QUERIES_MAX })}
                  none={none}
                />
              )}
            </>
          )}
        </Loaded>
      )}
    </>
  );
}
