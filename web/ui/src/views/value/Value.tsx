// What is worth keeping near: tables by value or size, and every item by rank.

import { useMemo } from "react";
import { csvPath } from "../../api/client";
import { useApi } from "../../api/use";
import { Segments } from "../../parts/controls";
import { Section } from "../../parts/Section";
import { Empty, Loaded } from "../../parts/states";
import { useWords } from "../../text/words";
import { go, useParam } from "../../url/location";
import { oneOf } from "../../url/params";
import { hrefOf } from "../../url/views";
import { ItemList } from "../item/ItemList";
import { KeptScale } from "./KeptScale";
import { TableList } from "./TableList";
import { Treemap } from "./Treemap";
import { type Measure, tableNodes } from "./tree";

const MEASURE = oneOf(["value", "bytes"], "value");
const NO_PARAMETERS = {};
const HEIGHT = 380;

export default function Value() {
  const { t, f } = useWords();
  const [measure, setMeasure] = useParam("by", MEASURE);
  const tables = useApi("/api/v1/tables", NO_PARAMETERS);
  return (
    <>
      <Section
        title={t.value.tables}
        note={t.value.tablesNote}
        csv={csvPath("tables")}
        tools={<MeasureChoice value={measure} onChange={setMeasure} />}
      >
        <Loaded of={tables} height={HEIGHT}>
          {(all) => (
            <Tables
              tables={all}
              measure={measure}
              words={(first, share) => t.value.treemapWords(f.count(all.length), first, f.percent(share))}
            />
          )}
        </Loaded>
        <KeptScale />
        {tables.state === "ready" && tables.data.length > 0 ? (
          <TableList tables={tables.data} measure={measure} />
        ) : null}
      </Section>
      <ItemList title={t.value.items} />
    </>
  );
}

function Tables({
  tables,
  measure,
  words,
}: {
  tables: Parameters<typeof tableNodes>[0];
  measure: Measure;
  words(first: string, share: number): string;
}) {
  const { t } = useWords();
  const nodes = useMemo(() => tableNodes(tables, measure), [tables, measure]);
  const [first] = nodes;
  if (!first) return <Empty height={HEIGHT}>{t.overview.noTables}</Empty>;
  const whole = nodes.reduce((sum, node) => sum + node.amount, 0);
  return <Treemap nodes={nodes} height={HEIGHT} label={words(first.name, first.amount / whole)} onChoose={toTable} />;
}

function toTable(table: string): void {
  go(hrefOf("value", {}, table));
  scrollTo(0, 0);
}

export function MeasureChoice({ value, onChange }: { value: Measure; onChange(measure: Measure): void }) {
  const { t } = useWords();
  return (
    <Segments
      label={t.value.area}
      value={value}
      options={[
        { value: "value", name: t.words.value },
        { value: "bytes", name: t.words.size },
      ]}
      onChange={onChange}
    />
  );
}
