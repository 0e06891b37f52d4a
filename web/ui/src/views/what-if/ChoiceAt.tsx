// What would come and what would leave at another capacity.

import { csvPath, ITEMS_MAX } from "../../api/client";
import type { ChosenItem } from "../../api/types";
import { useApi } from "../../api/use";
import { ItemName } from "../../parts/ItemName";
import { Link } from "../../parts/Link";
import { CsvLink, Section } from "../../parts/Section";
import { Loaded } from "../../parts/states";
import { Table } from "../../parts/table/Table";
import { useWords } from "../../text/words";
import { hrefOf } from "../../url/views";

export function ChoiceAt({ capacity, moving }: { capacity: number; moving: boolean }) {
  const { t, f } = useWords();
  const asked = { capacity_bytes: Math.round(capacity) };
  const choice = useApi("/api/v1/choice", { query: asked }, { keepLast: true });
  return (
    <Section title={t.whatIf.choice(f.size(capacity))} className={moving ? "moving" : ""}>
      <Loaded of={choice} height={240}>
        {(data) => (
          <>
            <p>
              {t.whatIf.choiceWords(
                f.count(data.items),
                f.size(data.bytes),
                f.duration(data.value_seconds),
                f.density(data.cut_density),
              )}
            </p>
            <div className="columns">
              <Items
                csv={csvPath("choice", { ...asked, limit: ITEMS_MAX, rows: "added" })}
                title={t.whatIf.come(f.count(data.added_count))}
                total={data.added_count}
                none={t.whatIf.noneCome}
                items={data.added}
              />
              <Items
                csv={csvPath("choice", { ...asked, limit: ITEMS_MAX, rows: "removed" })}
                title={t.whatIf.leave(f.count(data.removed_count))}
                total={data.removed_count}
                none={t.whatIf.noneLeave}
                items={data.removed}
              />
            </div>
          </>
        )}
      </Loaded>
    </Section>
  );
}

interface ItemsProps {
  title: string;
  none: string;
  items: ChosenItem[];
  /** How many there are, also those that are not given. */
  total: number;
  csv: string;
}

function Items({ title, none, items, total, csv }: ItemsProps) {
  const { t, f } = useWords();
  return (
    <div>
      <h3>
        {title} {items.length > 0 ? <CsvLink href={csv} /> : null}
      </h3>
      {items.length === 0 ? (
        <p className="soft">{none}</p>
      ) : (
        <Table
          label={title}
          maxHeight={320}
          rows={items}
          rowKey={(item) => item.item}
          columns={[
            {
              key: "item",
              name: t.words.item,
              grows: true,
              render: (item) => (
                <Link href={hrefOf("value", { item: item.item })} className="item-link">
                  <ItemName item={item.item} />
                </Link>
              ),
            },
            { key: "value", name: t.words.value, number: true, render: (item) => f.duration(item.value_seconds) },
            { key: "bytes", name: t.words.size, number: true, render: (item) => f.size(item.bytes) },
          ]}
        />
      )}
      {total > items.length ? <p className="soft">{t.parts.more(f.count(total - items.length))}</p> : null}
    </div>
  );
}
