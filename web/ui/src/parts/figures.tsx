// A row of figures: a name, one number, a line that says what it is of.

import type { ReactNode } from "react";

export function Figures({ children, label }: { children: ReactNode; label: string }) {
  return (
    <dl className="figures" aria-label={label}>
      {children}
    </dl>
  );
}

interface FigureProps {
  name: string;
  value: ReactNode;
  note?: ReactNode;
  /** From 0 to 1: drawn as a bar below the number. */
  share?: number | null;
  tone?: "bad" | "warn";
}

export function Figure({ name, value, note, share, tone }: FigureProps) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>
        <strong className={tone}>{value}</strong>
        {share === undefined ? null : <Bar share={share ?? 0} />}
        {note ? <small>{note}</small> : null}
      </dd>
    </div>
  );
}

/** A share as a bar. The number stands beside it, so it says nothing of its own. */
export function Bar({ share, tone = "accent" }: { share: number; tone?: string }) {
  return (
    <span className="share" aria-hidden="true">
      <span style={{ width: `${Math.max(0, Math.min(share, 1)) * 100}%`, background: `var(--${tone})` }} />
    </span>
  );
}

export interface Part {
  name: string;
  /** The variable of the style sheet that colours it. */
  colour: string;
  amount: number;
  text: string;
}

/** Parts of a whole, side by side, with their names and amounts below. */
export function Parts({ parts, label }: { parts: Part[]; label: string }) {
  const whole = parts.reduce((sum, part) => sum + part.amount, 0);
  return (
    <figure className="parts">
      <figcaption>{label}</figcaption>
      <div className="stack" aria-hidden="true">
        {parts
          .filter((part) => part.amount > 0)
          .map((part) => (
            <span
              key={part.name}
              style={{ width: `${whole > 0 ? (part.amount / whole) * 100 : 0}%`, background: `var(--${part.colour})` }}
            />
          ))}
      </div>
      <ul>
        {parts.map((part) => (
          <li key={part.name}>
            <i style={{ background: `var(--${part.colour})` }} aria-hidden="true" />
            {part.name} <b>{part.text}</b>
          </li>
        ))}
      </ul>
    </figure>
  );
}
