// The cut: items by rank, their density, and where it no longer pays.

import { useCallback } from "react";
import type { Item } from "../../api/types";
import type { Known } from "../../api/use";
import { Chart } from "../../parts/chart/Chart";
import type { Colours } from "../../parts/chart/colours";
import { Legend } from "../../parts/chart/Legend";
import { FONT, grid, tip, tooltip, valueAxis } from "../../parts/chart/options";
import { Section } from "../../parts/Section";
import { Empty, Loaded } from "../../parts/states";
import { useWords } from "../../text/words";
import { setParams } from "../../url/location";

const HEIGHT = 360;

interface Ranked {
  cut_density: number;
  items: Item[];
}

export function Cut({ value, csv }: { value: Known<Ranked | null>; csv: string }) {
  const { t } = useWords();
  return (
    <Section title={t.words.cut} note={t.whitelist.cutWhy} csv={csv}>
      <Legend
        series={[
          { name: t.items.listed, colour: "accent" },
          { name: t.items.unlisted, colour: "grey" },
        ]}
      />
      <Loaded of={value} height={HEIGHT}>
        {(data) => (data && data.items.length > 0 ? <Densities ranked={data} /> : <Empty height={HEIGHT}>{t.whitelist.none}</Empty>)}
      </Loaded>
    </Section>
  );
}

function Densities({ ranked }: { ranked: Ranked }) {
  const { t, f } = useWords();
  const option = useCallback(
    (colours: Colours) => {
      const dense = (item: Item) => (item.bytes > 0 ? item.value_seconds / item.bytes : 0);
      const shown = ranked.items.filter((item) => dense(item) > 0).sort((a, b) => a.rank - b.rank);
      return {
        grid: grid(24, 24),
        tooltip: {
          ...tooltip(colours),
          trigger: "axis",
          formatter: (points: { dataIndex: number }[]) => {
            const item = shown[points[0]?.dataIndex ?? 0];
            if (!item) return "";
            return tip(item.item, [
              { name: t.words.rank, value: f.count(item.rank) },
              { name: t.words.density, value: f.density(dense(item)) },
              { name: t.words.value, value: f.duration(item.value_seconds) },
              { name: t.words.verdict, value: item.whitelisted ? t.items.in : t.items.out },
            ]);
          },
        },
        xAxis: { ...valueAxis(colours, f.count), min: 0, max: shown.at(-1)?.rank ?? 1, splitLine: { show: false }, axisPointer: { show: true, type: "line", label: { show: false } } },
        yAxis: { ...valueAxis(colours, f.density), type: "log", splitNumber: 3 },
        series: [
          {
            type: "bar",
            barWidth: "90%",
            barMinWidth: 0.5,
            large: false,
            data: shown.map((item) => ({ name: item.item, value: [item.rank, dense(item)], itemStyle: { color: item.whitelisted ? colours.accent : colours.grey } })),
            markLine: {
              symbol: "none",
              silent: true,
              label: { ...FONT, color: colours.ink, formatter: `${t.words.cut}: ${f.density(ranked.cut_density)}`, position: "insideEndTop" },
              lineStyle: { color: colours.ink, type: "dashed" },
              data: ranked.cut_density > 0 ? [{ yAxis: ranked.cut_density }] : [],
            },
          },
        ],
      };
    },
    [ranked, t, f],
  );
  const listed = ranked.items.filter((item) => item.whitelisted).length;
  return (
    <Chart
      option={option}
      height={HEIGHT}
      label={t.whitelist.cutWords(f.count(ranked.items.length), f.count(listed), f.density(ranked.cut_density))}
      onChoose={({ name }) => setParams({ tab: null, item: name })}
    />
  );
}
