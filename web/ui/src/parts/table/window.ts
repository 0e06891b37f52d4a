// Which rows of a long table are in sight, and which pages hold them. Pure.

/** Rows asked for at once. */
export const PAGE_ROWS = 200;
/** Rows drawn above and below what is in sight, so that scrolling shows no gaps. */
const BEYOND = 12;

export interface Window {
  /** The first row drawn. */
  first: number;
  /** The row after the last one drawn. */
  end: number;
}

export function windowOf(scrollTop: number, height: number, rowHeight: number, total: number): Window {
  const first = Math.max(0, Math.floor(scrollTop / rowHeight) - BEYOND);
  const end = Math.min(total, Math.ceil((scrollTop + height) / rowHeight) + BEYOND);
  return { first: Math.min(first, Math.max(0, end - 1)), end };
}

/** The pages that hold these rows; the first page where there are none yet, because it tells how many there are. */
export function pagesOf({ first, end }: Window): number[] {
  const last = Math.max(0, end - 1);
  const pages = [];
  for (let page = Math.floor(first / PAGE_ROWS); page <= Math.floor(last / PAGE_ROWS); page += 1) pages.push(page);
  return pages;
}
