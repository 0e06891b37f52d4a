// A treemap: the area is value or size, the colour how much of it is kept near.

import { useCallback } from "react";
import { Chart, type Chosen } from "../../parts/chart/Chart";
import { type Colours, inkOn, mixed } from "../../parts/chart/colours";
import { FONT, tip, tooltip } from "../../parts/chart/options";
import { readable, valuesOf } from "../../parts/ItemName";
import { useNarrow } from "../../parts/narrow";
import { useWords } from "../../text/words";
import type { TreeNode } from "./tree";

/** Smaller areas have no room for a name. */
const LABELLED_PX2 = 2800;

interface TreemapProps {
  nodes: TreeNode[];
  label: string;
  height: number;
  onChoose?: (target: string) => void;
}

export function Treemap({ nodes, label, height, onChoose }: TreemapProps) {
  const { t, f } = useWords();
  const width = useNarrow() ? 360 : 1200;
  const whole = nodes.reduce((sum, node) => sum + node.amount, 0);
  const option = useCallback(
    (colours: Colours) => ({
      tooltip: {
        ...tooltip(colours),
        formatter: ({ dataIndex }: { dataIndex: number }) => {
          const node = nodes[dataIndex - 1];
          if (!node) return "";
          return tip(readable(node.name), [
            { name: t.words.value, value: f.duration(node.seconds) },
            { name: t.words.size, value: f.size(node.bytes) },
            { name: t.words.keptNear, value: f.percent(node.kept) },
          ]);
        },
      },
      series: [
        {
          type: "treemap",
          left: 0,
          right: 0,
          top: 0,
          bottom: 0,
          roam: false,
          nodeClick: false,
          breadcrumb: { show: false },
          // Areas of a few pixels tell nothing and cost a lot.
          visibleMin: 40,
          itemStyle: { gapWidth: 1, borderWidth: 0, borderColor: colours.paper },
          data: nodes.map((node) => {
            const colour = mixed(colours.faint, colours.kept, node.kept);
            const last = shortName(node.name);
            return {
              name: node.name,
              value: node.amount,
              cursor: node.target === null ? "default" : "pointer",
              itemStyle: { color: colour },
              label: {
                ...FONT,
                show: (node.amount / whole) * width * height > LABELLED_PX2,
                color: inkOn(colour),
                position: [0, 0],
                padding: [6, 8],
                lineHeight: 16,
                overflow: "truncate",
                formatter: `${plain(last)}\n${f.percent(whole > 0 ? node.amount / whole : 0)}`,
              },
            };
          }),
        },
      ],
    }),
    [nodes, whole, width, height, t, f],
  );
  const choose = useCallback(
    ({ name }: Chosen) => {
      const target = nodes.find((node) => node.name === name)?.target;
      if (target) onChoose?.(target);
    },
    [nodes, onChoose],
  );
  return <Chart option={option} label={label} height={height} onChoose={choose} />;
}

/** A table's own name; of a partition what tells it from the others. */
function shortName(name: string): string {
  return name.includes("=") ? valuesOf(name) : (name.split(".").at(-1) ?? name);
}

/** Braces mean something to the chart library's labels. */
function plain(text: string): string {
  return text.replace(/[{}]/g, " ");
}
