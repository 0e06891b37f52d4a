// The headings of a table; those that sort are buttons and say how it is sorted.

import { pressed, type Sort } from "../../url/params";
import { type Column, classOf } from "./columns";

interface HeadProps<Row, Key extends string> {
  columns: Column<Row, Key>[];
  sort?: Sort<Key> | undefined;
  onSort?: ((sort: Sort<Key>) => void) | undefined;
}

export function Head<Row, Key extends string>({ columns, sort, onSort }: HeadProps<Row, Key>) {
  return (
    <thead>
      <tr>
        {columns.map((column) => {
          const key = column.sort;
          if (key === undefined || !sort || !onSort) {
            return (
              <th key={column.key} scope="col" className={classOf(column)}>
                {column.plain ? <span className="unseen">{column.name}</span> : column.name}
              </th>
            );
          }
          const by = sort.key === key;
          return (
            <th
              key={column.key}
              scope="col"
              className={classOf(column)}
              aria-sort={by ? (sort.descending ? "descending" : "ascending") : "none"}
            >
              <button
                type="button"
                onClick={() => onSort(pressed(sort, key, (column.number ?? false) && !column.smallFirst))}
              >
                {column.name}
                <span className="order" aria-hidden="true">
                  {by ? (sort.descending ? "↓" : "↑") : ""}
                </span>
              </button>
            </th>
          );
        })}
      </tr>
    </thead>
  );
}
