// A table of any length: only the rows in sight are drawn, so that 100,000 scroll like a hundred.

import { useCallback, useEffect, useLayoutEffect, useRef, useState } from "react";
import { useWords } from "../../text/words";
import { useNarrow } from "../narrow";
import { Empty, Failed, Skeleton } from "../states";
import { type Column, classOf, type Sorting } from "./columns";
import { Head } from "./Head";
import type { Paged } from "./usePages";
import { windowOf } from "./window";

/** Rows have one height: two lines where the page is narrow. The style sheet says the same. */
const ROW_PX = 32;
const ROW_NARROW_PX = 48;

interface VirtualTableProps<Row, Key extends string> extends Sorting<Key> {
  label: string;
  columns: Column<Row, Key>[];
  list: Paged<Row>;
  rowKey(row: Row): string;
  height: number;
  /** What to say where no row matches. */
  none: string;
  selected?: string | null;
}

export function VirtualTable<Row, Key extends string = string>(props: VirtualTableProps<Row, Key>) {
  const { label, columns, list, rowKey, height, none, selected, sort, onSort } = props;
  const { t } = useWords();
  const box = useRef<HTMLDivElement>(null);
  const rowHeight = useNarrow() ? ROW_NARROW_PX : ROW_PX;
  const [scrollTop, setScrollTop] = useState(0);
  const { total, look } = list;
  const view = windowOf(scrollTop, height, rowHeight, total ?? 0);
  const { first, end } = view;

  useEffect(() => look({ first, end }), [look, first, end]);
  const toTop = useCallback(() => {
    if (box.current) box.current.scrollTop = 0;
    setScrollTop(0);
  }, []);
  useLayoutEffect(toTop, [toTop, look]);

  if (list.error && total === null)
    return <Failed height={height} status={list.error.status} words={list.error.message} />;
  if (total === null) return <Skeleton height={height} />;
  if (total === 0) return <Empty height={160}>{none}</Empty>;
  const rows = Array.from({ length: end - first }, (_, i) => first + i);
  return (
    <>
      <div
        ref={box}
        className="scroll fixed-rows"
        style={{ maxHeight: height }}
        tabIndex={0}
        role="group"
        aria-label={label}
        onScroll={(event) => setScrollTop(event.currentTarget.scrollTop)}
      >
        <table aria-rowcount={total + 1}>
          <Head columns={columns} sort={sort} onSort={onSort} />
          <tbody>
            <Gap rows={first} rowHeight={rowHeight} columns={columns.length} />
            {rows.map((index) => {
              const row = list.rowAt(index);
              const key = row === undefined ? null : rowKey(row);
              return (
                <tr
                  key={index}
                  aria-rowindex={index + 2}
                  className={key !== null && key === selected ? "chosen" : undefined}
                >
                  {columns.map((column) => (
                    <td key={column.key} className={classOf(column)}>
                      {row === undefined ? <span className="coming" /> : column.render(row)}
                    </td>
                  ))}
                </tr>
              );
            })}
            <Gap rows={total - end} rowHeight={rowHeight} columns={columns.length} />
          </tbody>
        </table>
      </div>
      {list.error ? (
        <p className="stale" role="alert">
          {t.states.stale(list.error.message)}
        </p>
      ) : null}
    </>
  );
}

/** The room of rows that are not drawn. */
function Gap({ rows, rowHeight, columns }: { rows: number; rowHeight: number; columns: number }) {
  if (rows <= 0) return null;
  return (
    <tr aria-hidden="true" className="gap">
      <td colSpan={columns} style={{ height: rows * rowHeight }} />
    </tr>
  );
}
