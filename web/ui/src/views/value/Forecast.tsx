// What was expected of each day, and what came.

import { useCallback } from "react";
import type { TableDays } from "../../api/types";
import type { Known } from "../../api/use";
import { Chart } from "../../parts/chart/Chart";
import type { Colours } from "../../parts/chart/colours";
import { Legend } from "../../parts/chart/Legend";
import { categoryAxis, grid, stepAxis, tip, tooltip } from "../../parts/chart/options";
import { Section } from "../../parts/Section";
import { Empty, Loaded } from "../../parts/states";
import { useWords } from "../../text/words";

const HEIGHT = 196;

export function Forecast({ days, csv }: { days: Known<TableDays>; csv: string }) {
  const { t } = useWords();
  return (
    <Section title={t.value.forecast} note={t.value.forecastNote} csv={csv}>
      <Legend
        series={[
          { name: t.words.predicted, colour: "amber", line: true },
          { name: t.words.realised, colour: "accent", line: true },
        ]}
      />
      <Loaded of={days} height={HEIGHT}>
        {(data) =>
          data.forecast.length > 0 ? (
            <Lines forecast={data.forecast} />
          ) : (
            <Empty height={HEIGHT}>{t.value.noForecast}</Empty>
          )
        }
      </Loaded>
    </Section>
  );
}

function Lines({ forecast }: { forecast: TableDays["forecast"] }) {
  const { t, f } = useWords();
  const option = useCallback(
    (colours: Colours) => {
      const line = (name: string, colour: string, dashed: boolean, data: number[]) => ({
        name,
        type: "line",
        symbol: "circle",
        symbolSize: 4,
        showSymbol: data.length < 3,
        lineStyle: { color: colour, width: 2, type: dashed ? "dashed" : "solid" },
        itemStyle: { color: colour },
        data,
      });
      return {
        grid: grid(),
        tooltip: {
          ...tooltip(colours),
          trigger: "axis",
          formatter: (shown: { dataIndex: number }[]) => {
            const day = forecast[shown[0]?.dataIndex ?? 0];
            if (!day) return "";
            return tip(f.day(day.day), [
              { colour: colours.amber, name: t.words.predicted, value: f.duration(day.predicted_seconds) },
              { colour: colours.accent, name: t.words.realised, value: f.duration(day.realised_seconds) },
              { name: t.words.readWorth, value: f.duration(day.read_seconds) },
            ]);
          },
        },
        xAxis: {
          ...categoryAxis(
            colours,
            forecast.map((day) => f.day(day.day)),
          ),
          boundaryGap: forecast.length < 3,
        },
        yAxis: stepAxis(
          colours,
          f.durationTicks(Math.max(...forecast.map((day) => Math.max(day.predicted_seconds, day.realised_seconds)))),
        ),
        series: [
          line(
            t.words.predicted,
            colours.amber,
            true,
            forecast.map((day) => day.predicted_seconds),
          ),
          line(
            t.words.realised,
            colours.accent,
            false,
            forecast.map((day) => day.realised_seconds),
          ),
        ],
      };
    },
    [forecast, t, f],
  );
  const sum = (key: "predicted_seconds" | "realised_seconds") => forecast.reduce((all, day) => all + day[key], 0);
  return (
    <Chart
      option={option}
      height={HEIGHT}
      label={t.value.forecastWords(f.duration(sum("predicted_seconds")), f.duration(sum("realised_seconds")))}
    />
  );
}
