// IO time saved and missed, by day or hour.

import { useCallback } from "react";
import { csvPath } from "../../api/client";
import type { Usage } from "../../api/types";
import type { Known } from "../../api/use";
import { Chart } from "../../parts/chart/Chart";
import type { Colours } from "../../parts/chart/colours";
import { Legend } from "../../parts/chart/Legend";
import { categoryAxis, grid, stepAxis, tip, tooltip } from "../../parts/chart/options";
import { Section } from "../../parts/Section";
import { Empty, Loaded } from "../../parts/states";
import { useWords } from "../../text/words";

const HEIGHT = 296;

export function SavedChart({
  usage,
  hourly,
  asked,
}: {
  usage: Known<Usage>;
  hourly: boolean;
  asked: Record<string, string> | undefined;
}) {
  const { t } = useWords();
  return (
    <Section
      title={hourly ? t.overview.byHour : t.overview.byDay}
      note={t.overview.byDayNote}
      csv={csvPath("usage", asked)}
    >
      <Legend
        series={[
          { name: t.overview.savedSeries, colour: "accent" },
          { name: t.overview.missedSeries, colour: "faint" },
        ]}
      />
      <Loaded of={usage} height={HEIGHT}>
        {(data) =>
          data.points.some((point) => point.requests > 0) ? (
            <Bars usage={data} hourly={hourly} />
          ) : (
            <Empty height={HEIGHT}>{t.overview.nothingRead}</Empty>
          )
        }
      </Loaded>
    </Section>
  );
}

function Bars({ usage, hourly }: { usage: Usage; hourly: boolean }) {
  const { t, f } = useWords();
  const option = useCallback(
    (colours: Colours) => {
      const name = (at: string) => (hourly ? f.hour(at) : f.day(at));
      const bar = (title: string, colour: string, data: number[]) => ({
        name: title,
        type: "bar",
        stack: "all",
        barMaxWidth: 28,
        itemStyle: { color: colour },
        data,
      });
      return {
        grid: grid(),
        tooltip: {
          ...tooltip(colours),
          trigger: "axis",
          axisPointer: { type: "shadow" },
          formatter: (shown: { dataIndex: number }[]) => {
            const point = usage.points[shown[0]?.dataIndex ?? 0];
            if (!point) return "";
            return tip(hourly ? f.moment(point.start) : f.day(point.start), [
              { colour: colours.accent, name: t.overview.savedSeries, value: f.duration(point.saved_seconds) },
              { colour: colours.faint, name: t.overview.missedSeries, value: f.duration(point.missed_seconds) },
              { name: t.words.requests, value: f.count(point.requests) },
            ]);
          },
        },
        xAxis: categoryAxis(
          colours,
          usage.points.map((point) => name(point.start)),
        ),
        yAxis: stepAxis(
          colours,
          f.durationTicks(Math.max(...usage.points.map((point) => point.saved_seconds + point.missed_seconds))),
        ),
        series: [
          bar(
            t.overview.savedSeries,
            colours.accent,
            usage.points.map((point) => point.saved_seconds),
          ),
          bar(
            t.overview.missedSeries,
            colours.faint,
            usage.points.map((point) => point.missed_seconds),
          ),
        ],
      };
    },
    [usage, hourly, t, f],
  );
  const best = usage.points.reduce((most, point) => (point.saved_seconds > most.saved_seconds ? point : most));
  const label = t.overview.chartWords(
    f.duration(usage.total.saved_seconds),
    f.duration(usage.total.missed_seconds),
    hourly ? f.hour(best.start) : f.day(best.start),
    f.duration(best.saved_seconds),
  );
  return <Chart option={option} label={label} height={HEIGHT} />;
}
