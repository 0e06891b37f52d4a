// The cut: the items just above and just below it, by rank, and the density at which room no longer pays.

import { useCallback, useMemo } from "react";
import { csvPath } from "../../api/client";
import type { Item } from "../../api/types";
import { useApi } from "../../api/use";
import { Chart, type Chosen } from "../../parts/chart/Chart";
import type { Colours } from "../../parts/chart/colours";
import { Legend } from "../../parts/chart/Legend";
import { categoryAxis, FONT, grid, stepAxis, tip, tooltip } from "../../parts/chart/options";
import { Section } from "../../parts/Section";
import { Empty, Loaded } from "../../parts/states";
import { useWords } from "../../text/words";
import { setParams } from "../../url/location";

const HEIGHT = 360;
/** Items shown on each side of the cut. */
const BESIDE = 100;

/** The last choice took so many that the cut lies about there, whichever version is in force. */
const TAKEN = { query: { taken: true, limit: 1 } };

export function Cut({ cutDensity }: { cutDensity: number | undefined }) {
  const { t, f } = useWords();
  const taken = useApi("/api/v1/items", TAKEN);
  const query =
    taken.state === "ready"
      ? { sort: "rank" as const, offset: Math.max(taken.data.total - BESIDE, 0), limit: 2 * BESIDE }
      : null;
  const page = useApi("/api/v1/items", query && { query });
  return (
    <Section
      title={t.words.cut}
      note={t.whitelist.cutWhy(f.count(BESIDE))}
      csv={query ? csvPath("items", query) : undefined}
    >
      <Legend
        series={[
          { name: t.items.listed, colour: "accent" },
          { name: t.items.unlisted, colour: "grey" },
        ]}
      />
      <Loaded of={query ? page : taken} height={HEIGHT}>
        {({ items }) =>
          items.length > 0 ? (
            <Densities items={items} cut={cutDensity ?? 0} />
          ) : (
            <Empty height={HEIGHT}>{t.whitelist.none}</Empty>
          )
        }
      </Loaded>
    </Section>
  );
}

function density(item: Item): number {
  return item.bytes > 0 ? item.value_seconds / item.bytes : 0;
}

const GIB = 2 ** 30;
/** Bars end at so many times the cut: the densest items would flatten all others. */
const OVER_CUT = 4;

function Densities({ items: all, cut }: { items: Item[]; cut: number }) {
  const { t, f } = useWords();
  // What is in force and was not weighed has no place beside the cut.
  const items = useMemo(() => all.filter((item) => item.rank > 0), [all]);
  const option = useCallback(
    (colours: Colours) => {
      const densest = Math.max(...items.map(density), cut);
      const ticks = f.durationTicks((cut > 0 ? Math.min(densest, cut * OVER_CUT) : densest) * GIB);
      return {
        grid: grid(24, 24),
        tooltip: {
          ...tooltip(colours),
          trigger: "axis",
          axisPointer: { type: "shadow" },
          formatter: (points: { dataIndex: number }[]) => {
            const item = items[points[0]?.dataIndex ?? 0];
            if (!item) return "";
            return tip(item.item, [
              { name: t.words.rank, value: f.count(item.rank) },
              { name: t.words.density, value: f.density(density(item)) },
              { name: t.words.value, value: f.duration(item.value_seconds) },
              { name: t.words.size, value: f.size(item.bytes) },
              { name: t.words.verdict, value: item.whitelisted ? t.items.in : t.items.out },
            ]);
          },
        },
        xAxis: categoryAxis(
          colours,
          items.map((item) => f.count(item.rank)),
        ),
        yAxis: stepAxis(colours, { ...ticks, format: (value) => (value === 0 ? "0" : `${ticks.format(value)}/GiB`) }),
        series: [
          {
            type: "bar",
            barCategoryGap: "20%",
            cursor: "pointer",
            data: items.map((item) => ({
              name: item.item,
              value: density(item) * GIB,
              itemStyle: { color: item.whitelisted ? colours.accent : colours.grey },
            })),
            markLine: {
              symbol: "none",
              silent: true,
              label: {
                ...FONT,
                color: colours.ink,
                formatter: `${t.words.cut}: ${f.density(cut)}`,
                position: "insideEndTop",
              },
              lineStyle: { color: colours.ink, type: "dashed" },
              data: cut > 0 ? [{ yAxis: cut * GIB }] : [],
            },
          },
        ],
      };
    },
    [items, cut, t, f],
  );
  const choose = useCallback(
    ({ index }: Chosen) => {
      const item = items[index];
      if (item) setParams({ tab: null, item: item.item });
    },
    [items],
  );
  const listed = items.filter((item) => item.whitelisted).length;
  return (
    <Chart
      option={option}
      height={HEIGHT}
      label={t.whitelist.cutWords(f.count(items.length), f.count(listed), f.density(cut))}
      onChoose={choose}
    />
  );
}
