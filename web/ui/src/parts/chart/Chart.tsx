// One chart, sized by its box, in the page's colours. Its words are the chart for those who do not see it.

import type { EChartsCoreOption, EChartsType } from "echarts/core";
import { useEffect, useRef, useState } from "react";
import { type Colours, useColours } from "./colours";

export interface Chosen {
  name: string;
  index: number;
  data: unknown;
}

interface ChartProps {
  /** Kept by the caller while its data is the same. */
  option(colours: Colours): EChartsCoreOption;
  /** What the chart says, in a sentence or two. */
  label: string;
  height: number;
  onChoose?: (chosen: Chosen) => void;
}

export function Chart({ option, label, height, onChoose }: ChartProps) {
  const box = useRef<HTMLDivElement>(null);
  const [chart, setChart] = useState<EChartsType | null>(null);
  const colours = useColours();

  useEffect(() => {
    let gone = false;
    let made: EChartsType | undefined;
    let watcher: ResizeObserver | undefined;
    void import("./engine").then(({ init }) => {
      if (gone || !box.current) return;
      const drawn = init(box.current, null, { renderer: "svg" });
      made = drawn;
      watcher = new ResizeObserver(() => drawn.resize());
      watcher.observe(box.current);
      setChart(drawn);
    });
    return () => {
      gone = true;
      watcher?.disconnect();
      made?.dispose();
    };
  }, []);

  useEffect(() => {
    if (chart && !chart.isDisposed()) chart.setOption({ animation: false, ...option(colours) }, { notMerge: true });
  }, [chart, option, colours]);

  useEffect(() => {
    if (!chart || !onChoose) return;
    const choose = (event: { name?: string; dataIndex?: number; data?: unknown }) =>
      onChoose({ name: event.name ?? "", index: event.dataIndex ?? -1, data: event.data });
    chart.on("click", choose as never);
    return () => {
      if (!chart.isDisposed()) chart.off("click", choose as never);
    };
  }, [chart, onChoose]);

  return <div ref={box} className="chart" role="img" aria-label={label} style={{ height }} />;
}
