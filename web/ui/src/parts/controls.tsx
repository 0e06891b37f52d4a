// The controls that views share.

import { type ReactNode, useEffect, useId, useRef, useState } from "react";
import { useWords } from "../text/words";
import { useInSight } from "./inSight";
import { RANGE_DAYS, type Range } from "../url/range";

/** One of a few, all of them in sight. */
export function Segments<Value extends string>(props: {
  label: string;
  value: Value;
  options: readonly { value: Value; name: string }[];
  onChange(value: Value): void;
}) {
  return (
    <div className="segments" role="group" aria-label={props.label}>
      {props.options.map(({ value, name }) => (
        <button key={value} type="button" aria-pressed={value === props.value} onClick={() => props.onChange(value)}>
          {name}
        </button>
      ))}
    </div>
  );
}

/** One of many. */
export function Select(props: {
  label: string;
  value: string;
  options: readonly { value: string; name: string }[];
  onChange(value: string): void;
}) {
  const id = useId();
  return (
    <span className="field">
      <label htmlFor={id}>{props.label}</label>
      <select id={id} value={props.value} onChange={(event) => props.onChange(event.target.value)}>
        {props.options.map(({ value, name }) => (
          <option key={value} value={value}>
            {name}
          </option>
        ))}
      </select>
    </span>
  );
}

const TYPING_RESTS_MS = 200;

/** A search that is told once typing rests. `/` leads to it. */
export function Search({ label, value, onChange }: { label: string; value: string; onChange(value: string): void }) {
  const [typed, setTyped] = useState(value);
  const told = useRef(value);
  useEffect(() => {
    if (value !== told.current) {
      told.current = value;
      setTyped(value);
    }
  }, [value]);
  useEffect(() => {
    if (typed === told.current) return;
    const timer = setTimeout(() => {
      told.current = typed;
      onChange(typed);
    }, TYPING_RESTS_MS);
    return () => clearTimeout(timer);
  }, [typed, onChange]);
  return (
    <input
      type="search"
      data-search
      placeholder={label}
      aria-label={label}
      aria-keyshortcuts="/"
      value={typed}
      onChange={(event) => setTyped(event.target.value)}
      spellCheck={false}
      autoComplete="off"
    />
  );
}

/** Today, 7 or 30 days, or fixed days from a calendar. */
export function RangePicker({
  value,
  days,
  oneDay,
  onChange,
}: {
  value: Range;
  days: { from: string; to: string } | null;
  /** What one day is called where it is not today. */
  oneDay?: string;
  onChange(range: Range): void;
}) {
  const { t } = useWords();
  const fixed = "from" in value;
  const now = fixed ? "fixed" : String(value.days);
  const options = [
    ...RANGE_DAYS.map((length) => ({ value: String(length), name: (length === 1 && oneDay) || t.parts.lastDays(length) })),
    { value: "fixed", name: t.parts.fixedDays },
  ];
  return (
    <span className="range">
      <Segments
        label={t.parts.range}
        value={now}
        options={options}
        onChange={(chosen) => {
          if (chosen !== "fixed") onChange({ days: Number(chosen) });
          else if (days) onChange(days);
        }}
      />
      {fixed ? (
        <>
          <DayInput label={t.parts.from} value={value.from} onChange={(from) => onChange({ ...value, from })} />
          <DayInput label={t.parts.to} value={value.to} onChange={(to) => onChange({ ...value, to })} />
        </>
      ) : null}
    </span>
  );
}

function DayInput({ label, value, onChange }: { label: string; value: string; onChange(day: string): void }) {
  return (
    <input
      type="date"
      aria-label={label}
      value={value}
      onChange={(event) => event.target.value && onChange(event.target.value)}
    />
  );
}

/** Views within a view. */
export function Tabs<Value extends string>(props: {
  label: string;
  value: Value;
  options: readonly { value: Value; name: ReactNode }[];
  onChange(value: Value): void;
}) {
  const here = useRef<HTMLButtonElement>(null);
  useInSight(here, props.value);
  return (
    <div className="tabs" role="group" aria-label={props.label}>
      {props.options.map(({ value, name }) => (
        <button
          key={value}
          ref={value === props.value ? here : undefined}
          type="button"
          aria-pressed={value === props.value}
          onClick={() => props.onChange(value)}
        >
          {name}
        </button>
      ))}
    </div>
  );
}
