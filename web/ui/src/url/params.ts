// Parameters of a URL as values: whatever a URL says, a view gets something that it can show.

/** How one parameter is read from a URL and written to it. Its default is not written. */
export interface Param<Value> {
  read(text: string | null): Value;
  /** Null where the URL is to say nothing. */
  write(value: Value): string | null;
}

export function text(): Param<string> {
  return { read: (said) => said ?? "", write: (value) => value || null };
}

export function oneOf<const Value extends string>(values: readonly Value[], otherwise: Value): Param<Value> {
  return {
    read: (said) => values.find((value) => value === said) ?? otherwise,
    write: (value) => (value === otherwise ? null : value),
  };
}

/** A whole number from 0 on, or null. */
export function whole(): Param<number | null> {
  return {
    read: (said) => (said !== null && /^\d{1,15}$/.test(said) ? Number(said) : null),
    write: (value) => (value === null ? null : String(Math.round(value))),
  };
}

export interface Sort<Key extends string> {
  key: Key;
  descending: boolean;
}

/** A column to sort by: `bytes` ascends, `-bytes` descends. */
export function sort<const Key extends string>(keys: readonly Key[], otherwise: Sort<Key>): Param<Sort<Key>> {
  const say = (value: Sort<Key>) => (value.descending ? "-" : "") + value.key;
  return {
    read: (said) => {
      const descending = said?.startsWith("-") ?? false;
      const key = keys.find((known) => known === (descending ? said?.slice(1) : said));
      return key ? { key, descending } : otherwise;
    },
    write: (value) => (say(value) === say(otherwise) ? null : say(value)),
  };
}

/** The next sort when a column's heading is pressed: numbers start with the largest. */
export function pressed<Key extends string>(now: Sort<Key>, key: Key, descendsFirst: boolean): Sort<Key> {
  return now.key === key ? { key, descending: !now.descending } : { key, descending: descendsFirst };
}
