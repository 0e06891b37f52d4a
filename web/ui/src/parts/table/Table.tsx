// A table of some rows, all of them on the page.

import { type ReactNode, useRef } from "react";
import { useNarrow } from "../narrow";
import { type Column, classOf, type Sorting } from "./columns";
import { Head } from "./Head";
import { useScrolls } from "./useScrolls";

interface TableProps<Row, Key extends string> extends Sorting<Key> {
  label: string;
  columns: Column<Row, Key>[];
  rows: Row[];
  rowKey(row: Row): string;
  /** Beyond this height it scrolls, its headings staying in sight. */
  maxHeight?: number;
  selected?: string | null;
  /** Shown below the row that is selected. */
  detail?: (row: Row) => ReactNode;
}

export function Table<Row, Key extends string = string>(props: TableProps<Row, Key>) {
  const { label, columns, rows, rowKey, maxHeight, selected, detail, sort, onSort } = props;
  const box = useRef<HTMLDivElement>(null);
  const scrolls = useScrolls(box);
  const narrow = useNarrow();
  const beside = columns.filter((column) => !(narrow && column.below));
  const below = columns.filter((column) => narrow && column.below);
  return (
    <div
      ref={box}
      className="scroll"
      style={{ maxHeight }}
      tabIndex={scrolls ? 0 : undefined}
      role="group"
      aria-label={label}
    >
      <table>
        <Head columns={beside} sort={sort} onSort={onSort} />
        <tbody>
          {rows.map((row) => {
            const key = rowKey(row);
            const chosen = selected === key;
            return [
              <tr key={key} className={chosen ? "chosen" : undefined}>
                {beside.map((column) => (
                  <td key={column.key} className={classOf(column)}>
                    {column.render(row)}
                  </td>
                ))}
              </tr>,
              ...below.map((column) => (
                <tr key={`${key} ${column.key}`} className="below">
                  <td colSpan={beside.length}>{column.render(row)}</td>
                </tr>
              )),
              chosen && detail ? (
                <tr key={`${key} detail`} className="detail">
                  <td colSpan={beside.length}>{detail(row)}</td>
                </tr>
              ) : null,
            ];
          })}
        </tbody>
      </table>
    </div>
  );
}
