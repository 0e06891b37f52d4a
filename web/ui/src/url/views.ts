// The views and their paths. Every view is a URL that can be sent to a colleague.

export const VIEWS = ["overview", "value", "whitelist", "what-if", "preload", "queries", "workers"] as const;
export type View = (typeof VIEWS)[number];

/** The key that leads to a view, after `g`. */
export const VIEW_KEYS: Record<View, string> = {
  overview: "o",
  value: "v",
  whitelist: "w",
  "what-if": "i",
  preload: "p",
  queries: "q",
  workers: "k",
};

export type Place = { view: View; table: string | null } | { view: "sign-in" } | { view: "nowhere" };

/** Which view a path means. */
export function placeOf(path: string): Place {
  const [first = "", second, ...more] = path.split("/").filter((part) => part !== "");
  if (more.length > 0) return { view: "nowhere" };
  if (first === "" || first === "index.html") return { view: "overview", table: null };
  if (first === "sign-in" && second === undefined) return { view: "sign-in" };
  if (first === "value") return { view: "value", table: second === undefined ? null : decoded(second) };
  const view = VIEWS.find((known) => known === first);
  return view && view !== "overview" && second === undefined ? { view, table: null } : { view: "nowhere" };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export type Params = Record<string, string | number | undefined | null>;

/** A link to a view; parameters without a value are left out. */
export function hrefOf(view: View, params: Params = {}, table?: string): string {
  const path = view === "overview" ? "/" : table === undefined ? `/${view}` : `/${view}/${encodeURIComponent(table)}`;
  return path + searchOf(params);
}

/** Parameters as a URL has them, in a stable order: equal states have equal URLs. */
export function searchOf(params: Params): string {
  const said = Object.entries(params).filter(
    (entry): entry is [string, string | number] => entry[1] !== undefined && entry[1] !== null && entry[1] !== "",
  );
  const text = new URLSearchParams(
    said.sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, value]) => [key, String(value)]),
  ).toString();
  return text ? `?${text}` : "";
}

/** The table of an item's name, and what follows it. */
export function splitItem(item: string): { table: string; partition: string } {
  const slash = item.indexOf("/");
  return slash < 0 ? { table: item, partition: "" } : { table: item.slice(0, slash), partition: item.slice(slash + 1) };
}
