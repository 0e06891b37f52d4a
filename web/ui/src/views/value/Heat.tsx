// Heat: which partitions were read on which day, how much of that came from the cache, and how much of each is resident now.

import { useCallback, useMemo } from "react";
import type { TableDays } from "../../api/types";
import { dataOf, type Known, useApi } from "../../api/use";
import { Chart } from "../../parts/chart/Chart";
import type { Colours } from "../../parts/chart/colours";
import { categoryAxis, FONT, tip, tooltip } from "../../parts/chart/options";
import { Segments } from "../../parts/controls";
import { readable, valuesOf } from "../../parts/ItemName";
import { useNarrow } from "../../parts/narrow";
import { Section } from "../../parts/Section";
import { Empty, Loaded } from "../../parts/states";
import { useWords } from "../../text/words";
import { useParam } from "../../url/location";
import { oneOf } from "../../url/params";
import { HEAT_ROWS, type HeatRow, heatRows, heatTop } from "./heatCells";

const SHOWN = oneOf(["newest", "all"], "newest");
const CELLS = oneOf(["reads", "cached"], "reads");
const ROW_PX = 14;
const AXIS_PX = 28;
const LETTER_PX = 8;
const NAMES_PX_MAX = 240;
const NAMES_NARROW_PX = 104;

export function Heat({ table, days, csv }: { table: string; days: Known<TableDays>; csv: string }) {
  const { t, f } = useWords();
  const [shown, setShown] = useParam("heat", SHOWN);
  const [cells, setCells] = useParam("cells", CELLS);
  const residency = dataOf(useApi("/api/v1/residency", { query: { table } }));
  return (
    <Section
      title={t.value.heat}
      note={cells === "reads" ? t.value.heatNote : t.value.heatCachedNote}
      csv={csv}
      tools={
        <>
          {days.state === "ready" && days.data.partitions.length > HEAT_ROWS ? (
            <button type="button" onClick={() => setShown(shown === "all" ? "newest" : "all")}>
              {shown === "all"
                ? t.value.newestOnly(f.count(HEAT_ROWS))
                : t.value.mostRead(f.count(days.data.partitions.length), f.count(days.data.partitions_total))}
            </button>
          ) : null}
          <Segments
            label={t.value.heat}
            value={cells}
            options={[
              { value: "reads", name: t.words.requests },
              { value: "cached", name: t.value.fromCache },
            ]}
            onChange={setCells}
          />
        </>
      }
    >
      <Loaded of={days} height={320}>
        {(data) => <Cells days={data} rows={heatRows(data, residency, shown === "all")} cells={cells} />}
      </Loaded>
      <p className="scale" aria-hidden="true">
        {cells === "reads" ? (
          <>
            {t.value.heatNone} <i className="heat" /> {t.value.heatMost}
          </>
        ) : null}
        <i className="resident" /> {cells === "reads" ? t.value.resident : t.value.cachedOrResident}
      </p>
    </Section>
  );
}

interface CellsProps {
  days: TableDays;
  rows: HeatRow[];
  cells: "reads" | "cached";
}

function Cells({ days, rows, cells: shown }: CellsProps) {
  const { t, f } = useWords();
  const key = JSON.stringify(rows);
  const drawn = useMemo(() => JSON.parse(key) as HeatRow[], [key]);
  const narrow = useNarrow();
  const option = useCallback(
    (colours: Colours) => {
      const columns = [...days.days.map((day) => f.day(day)), t.value.now];
      const now = columns.length - 1;
      const longest = Math.max(...drawn.map((row) => row.partition.length), 10);
      const names = Math.min(longest * LETTER_PX + 16, NAMES_PX_MAX, narrow ? NAMES_NARROW_PX : NAMES_PX_MAX);
      const cells = drawn.flatMap((row, y) =>
        shown === "reads"
          ? row.requests.map((requests, x) => [x, y, requests])
          : row.cached.flatMap((part, x) => (part === null ? [] : [[x, y, part]])),
      );
      const resident = drawn.flatMap((row, y) => (row.resident === null ? [] : [[now, y, row.resident]]));
      const scale = (seriesIndex: number, max: number, top: string) => ({
        show: false,
        type: "continuous",
        seriesIndex,
        min: 0,
        max,
        inRange: { color: [colours.raised, top] },
      });
      return {
        grid: { left: names, right: 8, top: 4, bottom: AXIS_PX - 4 },
        tooltip: {
          ...tooltip(colours),
          formatter: ({ seriesIndex, value: [x = 0, y = 0, amount = 0] }: { seriesIndex: number; value: number[] }) => {
            const row = drawn[y];
            const partition = readable(row?.partition ?? "") || days.table;
            if (seriesIndex === 1) return tip(partition, [{ name: t.value.resident, value: f.percent(amount) }]);
            const part = row?.cached[x];
            return tip(partition, [
              { name: `${t.words.requests}, ${columns[x]}`, value: f.count(row?.requests[x] ?? 0) },
              ...(typeof part === "number" ? [{ name: t.value.fromCache, value: f.percent(part) }] : []),
            ]);
          },
        },
        visualMap: [
          shown === "reads" ? scale(0, heatTop(drawn), colours.amber) : scale(0, 1, colours.accent),
          scale(1, 1, colours.accent),
        ],
        xAxis: { ...categoryAxis(colours, columns), splitArea: { show: false } },
        yAxis: {
          ...categoryAxis(
            colours,
            drawn.map((row) => (narrow ? valuesOf : readable)(row.partition) || t.value.wholeTable),
          ),
          axisLabel: { ...FONT, color: colours.soft, width: names - 12, overflow: "truncate", hideOverlap: true },
        },
        series: [
          { type: "heatmap", data: cells, itemStyle: { borderWidth: 1, borderColor: colours.paper } },
          { type: "heatmap", data: resident, itemStyle: { borderWidth: 1, borderColor: colours.paper } },
        ],
      };
    },
    [days, drawn, shown, narrow, t, f],
  );
  if (drawn.length === 0) return <Empty height={160}>{t.value.noHeat}</Empty>;
  const reads = drawn.flatMap((row) => row.requests).reduce((sum, requests) => sum + requests, 0);
  const label = t.value.heatWords(f.count(drawn.length), f.count(days.days.length), f.count(reads));
  return <Chart option={option} label={label} height={Math.max(96, drawn.length * ROW_PX + AXIS_PX)} />;
}
