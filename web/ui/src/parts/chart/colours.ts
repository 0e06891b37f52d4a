// The style sheet's colours, for the chart library, which knows no variables.

import { useEffect, useState } from "react";

const NAMES = [
  "paper",
  "raised",
  "ink",
  "soft",
  "line",
  "faint",
  "accent",
  "kept",
  "amber",
  "blue",
  "grey",
  "warn",
  "bad",
] as const;
export type ColourName = (typeof NAMES)[number];
export type Colours = Record<ColourName, string>;

function read(): Colours {
  const style = getComputedStyle(document.documentElement);
  return Object.fromEntries(
    NAMES.map((name) => [name, style.getPropertyValue(`--${name}`).trim() || "#888888"]),
  ) as Colours;
}

/** The colours of now; others when the system turns dark or light. */
export function useColours(): Colours {
  const [colours, setColours] = useState(read);
  useEffect(() => {
    const dark = matchMedia("(prefers-color-scheme: dark)");
    const look = () => setColours(read());
    dark.addEventListener("change", look);
    look();
    return () => dark.removeEventListener("change", look);
  }, []);
  return colours;
}

/** Between two colours of the form `#rrggbb`: 0 is the first, 1 the second. */
export function mixed(from: string, to: string, share: number): string {
  const parts = (colour: string) => [1, 3, 5].map((at) => Number.parseInt(colour.slice(at, at + 2), 16));
  const [a, b] = [parts(from), parts(to)];
  return `#${a
    .map((part, i) =>
      Math.round(part + ((b[i] ?? part) - part) * share)
        .toString(16)
        .padStart(2, "0"),
    )
    .join("")}`;
}

/** Black or white, whichever is read better on this colour. */
export function inkOn(colour: string): string {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((at) => {
    const part = Number.parseInt(colour.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.18 ? "#101311" : "#ffffff";
}
