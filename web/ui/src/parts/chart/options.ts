// What all charts of the page have in common: quiet axes, no frames, tooltips in the page's own colours.

import type { Ticks } from "../../text/format";
import type { Colours } from "./colours";

/** The page's own face, by name: the library measures labels by it. */
export const FONT = { fontFamily: "system-ui, sans-serif", fontSize: 12 } as const;

/** `top` leaves room for a line of labels above the plot. */
export function grid(top = 12, right = 16) {
  return { left: 4, right, top, bottom: 4, outerBoundsMode: "same", outerBoundsContain: "axisLabel" };
}

export function tooltip(colours: Colours) {
  return {
    backgroundColor: colours.raised,
    borderColor: colours.line,
    borderWidth: 1,
    padding: [8, 12],
    textStyle: { ...FONT, color: colours.ink },
    confine: true,
    extraCssText: "box-shadow: none; border-radius: 4px;",
  };
}

export function valueAxis(colours: Colours, format: (value: number) => string) {
  return {
    type: "value",
    splitNumber: 4,
    axisLabel: { ...FONT, color: colours.soft, formatter: format, hideOverlap: true },
    axisLine: { show: false },
    axisTick: { show: false },
    splitLine: { lineStyle: { color: colours.line } },
  };
}

/** An axis in round steps of time or size. `end` leaves off where the data does. */
export function stepAxis(colours: Colours, ticks: Ticks, end = ticks.end) {
  const axis = valueAxis(colours, ticks.format);
  return {
    ...axis,
    min: 0,
    max: end,
    interval: ticks.step,
    axisLabel: { ...axis.axisLabel, showMaxLabel: end === ticks.end },
  };
}

export function categoryAxis(colours: Colours, data: string[], format?: (value: string) => string) {
  return {
    type: "category",
    data,
    axisLabel: { ...FONT, color: colours.soft, hideOverlap: true, ...(format ? { formatter: format } : {}) },
    axisLine: { lineStyle: { color: colours.line } },
    axisTick: { show: false },
  };
}

/** Says every category where there is room for it: bins that are no series have no obvious next one. */
export function everyLabel(axis: ReturnType<typeof categoryAxis>, narrow: boolean) {
  return narrow ? axis : { ...axis, axisLabel: { ...axis.axisLabel, interval: 0 } };
}

/** Names in tooltips come from data: partition names may hold anything. */
function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);
}

/** The body of a tooltip: a heading, and lines of a name and a figure. */
export function tip(heading: string, lines: { colour?: string; name: string; value: string }[]): string {
  const rows = lines.map(({ colour, name, value }) => {
    const mark = colour ? `<i style="background:${colour}"></i>` : "";
    return `<tr><td>${mark}${escaped(name)}</td><td>${escaped(value)}</td></tr>`;
  });
  return `<div class="tip"><b>${escaped(heading)}</b><table>${rows.join("")}</table></div>`;
}
