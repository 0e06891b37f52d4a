// What a treemap shows, from tables, items or columns. Pure.

import type { Item, Table } from "../../api/types";
import { splitItem } from "../../url/views";

export type Measure = "value" | "bytes";

export interface TreeNode {
  name: string;
  /** What its area stands for: seconds or bytes. */
  amount: number;
  /** The share of it that is kept near, from 0 to 1: its colour. */
  kept: number;
  bytes: number;
  seconds: number;
  /** Where it leads; null for what stands for many. */
  target: string | null;
}

export function tableNodes(tables: Table[], measure: Measure): TreeNode[] {
  return tables
    .map((table) => ({
      name: table.table,
      amount: measure === "value" ? table.value_seconds : table.bytes,
      kept: share(
        measure === "value" ? table.whitelisted_value_seconds : table.whitelisted_bytes,
        measure === "value" ? table.value_seconds : table.bytes,
      ),
      bytes: table.bytes,
      seconds: table.value_seconds,
      target: table.table,
    }))
    .filter((node) => node.amount > 0)
    .sort((a, b) => b.amount - a.amount);
}

/** A table's items; those that are not among them stand together as one area, named by `rest`. */
export function itemNodes(
  items: Item[],
  table: Table | undefined,
  measure: Measure,
  rest: (items: number) => string,
): TreeNode[] {
  const nodes: TreeNode[] = items.map((item) => ({
    name: splitItem(item.item).partition || item.item,
    amount: measure === "value" ? item.value_seconds : item.bytes,
    kept: item.whitelisted ? 1 : 0,
    bytes: item.bytes,
    seconds: item.value_seconds,
    target: item.item,
  }));
  const left = (table?.items ?? 0) - items.length;
  if (table && left > 0) {
    const bytes = Math.max(table.bytes - sum(nodes, "bytes"), 0);
    const seconds = Math.max(table.value_seconds - sum(nodes, "seconds"), 0);
    nodes.push({
      name: rest(left),
      amount: measure === "value" ? seconds : bytes,
      kept: 0,
      bytes,
      seconds,
      target: null,
    });
  }
  return nodes.filter((node) => node.amount > 0);
}

interface ColumnShare {
  column: string;
  byte_share: number;
  value_share: number;
  held: boolean;
}

export function columnNodes(columns: ColumnShare[], table: Table | undefined, measure: Measure): TreeNode[] {
  return columns
    .map((column) => {
      const bytes = column.byte_share * (table?.bytes ?? 1);
      const seconds = column.value_share * (table?.value_seconds ?? 1);
      return {
        name: column.column,
        amount: measure === "value" ? seconds : bytes,
        kept: column.held ? 1 : 0,
        bytes,
        seconds,
        target: null,
      };
    })
    .filter((node) => node.amount > 0)
    .sort((a, b) => b.amount - a.amount);
}

function share(part: number, whole: number): number {
  return whole > 0 ? Math.min(part / whole, 1) : 0;
}

function sum(nodes: TreeNode[], key: "bytes" | "seconds"): number {
  return nodes.reduce((all, node) => all + node[key], 0);
}
