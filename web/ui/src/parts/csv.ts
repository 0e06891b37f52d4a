// Rows that the page has itself, as CSV: those that are no listing of the API. Pure.

/** A link to a file of these rows; the keys of the first are its heading. */
export function csvOf(rows: Record<string, string | number>[]): string {
  const names = Object.keys(rows[0] ?? {});
  const lines = [names, ...rows.map((row) => names.map((name) => row[name] ?? ""))].map((cells) =>
    cells.map(cell).join(","),
  );
  return `data:text/csv;charset=utf-8,${encodeURIComponent(`${lines.join("\r\n")}\r\n`)}`;
}

/** Spreadsheets take text that begins like a formula for one: it is kept from them. */
function cell(value: string | number): string {
  const text = typeof value === "string" && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
