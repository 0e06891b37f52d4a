// What preloads write to the SSDs each day.

import { useCallback } from "react";
import type { PreloadRun } from "../../api/types";
import type { Known } from "../../api/use";
import { Chart } from "../../parts/chart/Chart";
import type { Colours } from "../../parts/chart/colours";
import { categoryAxis, grid, stepAxis, tip, tooltip } from "../../parts/chart/options";
import { Section } from "../../parts/Section";
import { Empty, Loaded } from "../../parts/states";
import { useWords } from "../../text/words";
import { type DayWritten, writtenByDay } from "./progress";

const HEIGHT = 180;

export function Wear({ runs }: { runs: Known<PreloadRun[]> }) {
  const { t } = useWords();
  return (
    <Section title={t.preload.wear} note={t.preload.wearNote}>
      <Loaded of={runs} height={HEIGHT}>
        {(all) =>
          all.length === 0 ? <Empty height={HEIGHT}>{t.preload.noHistory}</Empty> : <Bars days={writtenByDay(all)} />
        }
      </Loaded>
    </Section>
  );
}

function Bars({ days }: { days: DayWritten[] }) {
  const { t, f } = useWords();
  const key = JSON.stringify(days);
  const option = useCallback(
    (colours: Colours) => {
      const drawn = JSON.parse(key) as DayWritten[];
      return {
        grid: grid(),
        tooltip: {
          ...tooltip(colours),
          trigger: "axis",
          axisPointer: { type: "shadow" },
          formatter: (shown: { dataIndex: number }[]) => {
            const day = drawn[shown[0]?.dataIndex ?? 0];
            return day ? tip(f.day(day.day), [{ name: t.preload.wear, value: f.size(day.bytes) }]) : "";
          },
        },
        xAxis: categoryAxis(
          colours,
          drawn.map((day) => f.day(day.day)),
        ),
        yAxis: stepAxis(colours, f.sizeTicks(Math.max(...drawn.map((day) => day.bytes)))),
        series: [
          { type: "bar", barMaxWidth: 28, itemStyle: { color: colours.blue }, data: drawn.map((day) => day.bytes) },
        ],
      };
    },
    [key, t, f],
  );
  const sum = days.reduce((all, day) => all + day.bytes, 0);
  return <Chart option={option} height={HEIGHT} label={t.preload.wearWords(f.size(sum), f.count(days.length))} />;
}
