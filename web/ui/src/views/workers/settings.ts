// A configuration as lines of key and value, in the keys' own notation. Pure.

export interface Setting {
  key: string;
  value: string;
}

export function settingsOf(value: unknown, key = ""): Setting[] {
  if (Array.isArray(value)) {
    if (value.length === 0) return [{ key, value: said(null) }];
    if (value.every((each) => typeof each !== "object" || each === null))
      return [{ key, value: value.map(said).join(", ") }];
    return value.flatMap((each, i) => settingsOf(each, `${key}[${i}]`));
  }
  if (typeof value === "object" && value !== null) {
    return Object.entries(value).flatMap(([name, each]) => settingsOf(each, key ? `${key}.${name}` : name));
  }
  return [{ key, value: said(value) }];
}

function said(value: unknown): string {
  return value === null || value === undefined ? "–" : typeof value === "string" ? value : JSON.stringify(value);
}

export function found(settings: Setting[], search: string): Setting[] {
  const wanted = search.trim().toLowerCase();
  return wanted
    ? settings.filter(({ key, value }) => key.toLowerCase().includes(wanted) || value.toLowerCase().includes(wanted))
    : settings;
}
