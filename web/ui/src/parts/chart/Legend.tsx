// Names of a chart's series, in HTML so that they wrap and can be read.

import type { ColourName } from "./colours";

export interface Series {
  name: string;
  colour: ColourName;
  line?: boolean;
}

export function Legend({ series }: { series: Series[] }) {
  return (
    <ul className="legend">
      {series.map(({ name, colour, line }) => (
        <li key={name}>
          <i className={line ? "line" : ""} style={{ background: `var(--${colour})` }} aria-hidden="true" />
          {name}
        </li>
      ))}
    </ul>
  );
}
