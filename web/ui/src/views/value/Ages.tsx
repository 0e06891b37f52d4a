// The age profile: reads by how old the partition was on the day it was read.

import { useCallback, useMemo } from "react";
import type { TableDays } from "../../api/types";
import type { Known } from "../../api/use";
import { Chart } from "../../parts/chart/Chart";
import type { Colours } from "../../parts/chart/colours";
import { categoryAxis, everyLabel, grid, tip, tooltip, valueAxis } from "../../parts/chart/options";
import { useNarrow } from "../../parts/narrow";
import { Section } from "../../parts/Section";
import { Empty, Loaded } from "../../parts/states";
import { useWords } from "../../text/words";
import { ageBins, ageName } from "./ageBins";

const HEIGHT = 220;

export function Ages({ days, csv }: { days: Known<TableDays>; csv: string }) {
  const { t } = useWords();
  return (
    <Section title={t.value.ages} note={t.value.agesNote} csv={csv}>
      <Loaded of={days} height={HEIGHT}>
        {(data) => (data.ages.length > 0 ? <Bars ages={data.ages} /> : <Empty height={HEIGHT}>{t.value.noAges}</Empty>)}
      </Loaded>
    </Section>
  );
}

function Bars({ ages }: { ages: TableDays["ages"] }) {
  const { t, f } = useWords();
  const narrow = useNarrow();
  const bins = useMemo(() => ageBins(ages), [ages]);
  const option = useCallback(
    (colours: Colours) => ({
      grid: grid(),
      tooltip: {
        ...tooltip(colours),
        trigger: "axis",
        axisPointer: { type: "shadow" },
        formatter: (shown: { dataIndex: number }[]) => {
          const bin = bins[shown[0]?.dataIndex ?? 0];
          if (!bin) return "";
          return tip(t.value.age(ageName(bin, t.value.ahead)), [
            { name: t.words.requests, value: f.count(bin.requests) },
            { name: t.words.readBytes, value: f.size(bin.readBytes) },
          ]);
        },
      },
      xAxis: everyLabel(
        categoryAxis(
          colours,
          bins.map((bin) => ageName(bin, t.value.ahead)),
        ),
        narrow,
      ),
      yAxis: valueAxis(colours, f.count),
      series: [
        { type: "bar", barMaxWidth: 20, itemStyle: { color: colours.blue }, data: bins.map((bin) => bin.requests) },
      ],
    }),
    [bins, narrow, t, f],
  );
  const all = ages.reduce((sum, age) => sum + age.requests, 0);
  const week = ages.filter((age) => age.age_days < 7).reduce((sum, age) => sum + age.requests, 0);
  return <Chart option={option} height={HEIGHT} label={t.value.agesWords(f.percent(all > 0 ? week / all : null))} />;
}
