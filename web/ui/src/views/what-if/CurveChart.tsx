// Hours saved against capacity, with the budget of today and the capacity that is asked about.

import { useCallback } from "react";
import type { Curve } from "../../api/types";
import { hoursAt } from "../../derive";
import { Chart } from "../../parts/chart/Chart";
import type { Colours } from "../../parts/chart/colours";
import { FONT, grid, stepAxis, tip, tooltip } from "../../parts/chart/options";
import { useWords } from "../../text/words";

interface CurveChartProps {
  curve: Curve;
  capacity: number;
  height: number;
  onChoose(bytes: number): void;
}

export function CurveChart({ curve, capacity, height, onChoose }: CurveChartProps) {
  const { t, f } = useWords();
  const option = useCallback(
    (colours: Colours) => {
      const hours = (bytes: number) => hoursAt(curve, bytes) * 3600;
      const end = curve.points.at(-1)?.capacity_bytes ?? curve.budget_bytes;
      const asks = Math.abs(capacity - curve.budget_bytes) > curve.budget_bytes / 400;
      const mark = (bytes: number, name: string, colour: string, type: string) => ({
        xAxis: bytes,
        label: { ...FONT, color: colours.ink, formatter: name, position: "end" },
        lineStyle: { color: colour, type, width: 1.5 },
      });
      return {
        grid: grid(28, 32),
        tooltip: {
          ...tooltip(colours),
          trigger: "axis",
          formatter: (shown: { value: [number, number] }[]) => {
            const [bytes, seconds] = shown[0]?.value ?? [0, 0];
            return tip(f.size(bytes), [{ name: t.whatIf.saved, value: f.duration(seconds) }]);
          },
        },
        xAxis: { ...stepAxis(colours, f.sizeTicks(end), end), splitLine: { show: false } },
        yAxis: stepAxis(colours, f.durationTicks(hours(end))),
        series: [
          {
            type: "line",
            symbol: "circle",
            symbolSize: 5,
            cursor: "pointer",
            lineStyle: { color: colours.accent, width: 2 },
            itemStyle: { color: colours.accent },
            data: [[0, 0], ...curve.points.map((point) => [point.capacity_bytes, point.hours_saved * 3600])],
            markLine: {
              symbol: "none",
              silent: true,
              data: [
                mark(curve.budget_bytes, t.whatIf.today, colours.soft, "solid"),
                ...(asks ? [mark(capacity, f.duration(hours(capacity)), colours.amber, "dashed")] : []),
              ],
            },
          },
        ],
      };
    },
    [curve, capacity, t, f],
  );
  const choose = useCallback(
    ({ data }: { data: unknown }) => {
      if (Array.isArray(data) && typeof data[0] === "number" && data[0] > 0) onChoose(data[0]);
    },
    [onChoose],
  );
  const last = curve.points.at(-1);
  const label = t.whatIf.curveWords(
    f.duration(hoursAt(curve, curve.budget_bytes) * 3600),
    f.size(curve.budget_bytes),
    f.duration((last?.hours_saved ?? 0) * 3600),
    f.size(last?.capacity_bytes ?? 0),
  );
  return <Chart option={option} label={label} height={height} onChoose={choose} />;
}
