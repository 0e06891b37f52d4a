// A table's partitions or columns as areas.

import { useMemo } from "react";
import { csvPath, ITEMS_MAX } from "../../api/client";
import type { Item, Table } from "../../api/types";
import { dataOf, useApi } from "../../api/use";
import { Segments } from "../../parts/controls";
import { Section } from "../../parts/Section";
import { Empty, Loaded } from "../../parts/states";
import { useWords } from "../../text/words";
import { setParams, useParam } from "../../url/location";
import { oneOf } from "../../url/params";
import { KeptScale } from "./KeptScale";
import { Treemap } from "./Treemap";
import { columnNodes, itemNodes, type Measure } from "./tree";
import { MeasureChoice } from "./Value";

const MEASURE = oneOf(["value", "bytes"], "value");
const DOWN_TO = oneOf(["partitions", "columns"], "partitions");
const NO_PARAMETERS = {};
/** More areas than these are too small to be seen. */
const AREAS = 200;
const HEIGHT = 280;

export function TableMap({ table }: { table: string }) {
  const { t } = useWords();
  const [measure, setMeasure] = useParam("by", MEASURE);
  const [downTo, setDownTo] = useParam("map", DOWN_TO);
  const known = dataOf(useApi("/api/v1/tables", NO_PARAMETERS))?.find((row) => row.table === table);
  const columns = useApi("/api/v1/tables/{table}/columns", downTo === "columns" ? { path: { table } } : null);
  const columnsCsv = columns.state === "ready" ? csvPath(`tables/${encodeURIComponent(table)}/columns`) : undefined;
  const csv = downTo === "columns" ? columnsCsv : csvPath("items", { table, limit: ITEMS_MAX });
  return (
    <Section
      title={downTo === "columns" ? t.value.columns : t.value.partitions}
      csv={csv}
      tools={
        <>
          <Segments
            label={t.value.downTo}
            value={downTo}
            options={[
              { value: "partitions", name: t.value.partitions },
              { value: "columns", name: t.value.columns },
            ]}
            onChange={setDownTo}
          />
          <MeasureChoice value={measure} onChange={setMeasure} />
        </>
      }
    >
      {downTo === "columns" ? (
        <Loaded of={columns} height={HEIGHT} absent={t.value.noColumns}>
          {(all) => <ColumnMap columns={all} known={known} measure={measure} />}
        </Loaded>
      ) : (
        <Partitions table={table} known={known} measure={measure} />
      )}
      <KeptScale />
    </Section>
  );
}

interface MapProps {
  table: string;
  known: Table | undefined;
  measure: Measure;
}

function Partitions({ table, known, measure }: MapProps) {
  const asked = useApi("/api/v1/items", { query: { table, sort: measure, descending: true, limit: AREAS } });
  return (
    <Loaded of={asked} height={HEIGHT}>
      {(page) => <PartitionMap items={page.items} known={known} measure={measure} />}
    </Loaded>
  );
}

function PartitionMap({ items, known, measure }: { items: Item[]; known: Table | undefined; measure: Measure }) {
  const { t, f } = useWords();
  const nodes = useMemo(
    () => itemNodes(items, known, measure, (left) => t.value.others(f.count(left))),
    [items, known, measure, t, f],
  );
  if (nodes.length === 0) return <Empty height={HEIGHT}>{t.value.nothingRead}</Empty>;
  return (
    <Treemap
      nodes={nodes}
      height={HEIGHT}
      label={t.value.partitionWords(f.count(items.length), nodes[0]?.name ?? "")}
      onChoose={(item) => setParams({ item })}
    />
  );
}

function ColumnMap({
  columns,
  known,
  measure,
}: {
  columns: Parameters<typeof columnNodes>[0];
  known: Table | undefined;
  measure: Measure;
}) {
  const { t, f } = useWords();
  const nodes = useMemo(() => columnNodes(columns, known, measure), [columns, known, measure]);
  const held = columns.filter((column) => column.held).length;
  return <Treemap nodes={nodes} height={HEIGHT} label={t.value.columnWords(f.count(held), f.count(columns.length))} />;
}
