// Who changed what, and why.

import { csvPath, ROWS_MAX } from "../../api/client";
import type { Activity } from "../../api/types";
import { dataOf, useApi } from "../../api/use";
import { Section } from "../../parts/Section";
import { Empty, Loaded } from "../../parts/states";
import { Table } from "../../parts/table/Table";
import { useWords } from "../../text/words";

const SHOWN = 200;
/** One more tells that there are more. */
const NEWEST = { query: { limit: SHOWN + 1 } };

export function ActivityList() {
  const { t, f } = useWords();
  const activity = useApi("/api/v1/activity", NEWEST);
  const isCut = (dataOf(activity)?.length ?? 0) > SHOWN;
  return (
    <Section
      title={t.whitelist.tabs.activity}
      note={isCut ? t.parts.newestOnly(f.count(SHOWN), f.count(ROWS_MAX)) : undefined}
      csv={csvPath("activity", { limit: ROWS_MAX })}
    >
      <Loaded of={activity} height={320}>
        {(all) =>
          all.length === 0 ? (
            <Empty height={200}>{t.whitelist.noActivity}</Empty>
          ) : (
            <Table
              label={t.whitelist.tabs.activity}
              maxHeight={560}
              rows={all.slice(0, SHOWN)}
              rowKey={(entry) => `${entry.at} ${entry.what} ${entry.target}`}
              columns={[
                { key: "at", name: t.words.when, render: (entry) => f.moment(entry.at) },
                { key: "who", name: t.words.who, render: (entry) => entry.who },
                {
                  key: "what",
                  name: t.words.what,
                  render: (entry) => t.whitelist.did[entry.what as keyof typeof t.whitelist.did] ?? entry.what,
                },
                {
                  key: "target",
                  name: t.words.target,
                  grows: true,
                  render: (entry) => <Target entry={entry} />,
                },
                {
                  key: "because",
                  name: t.words.why,
                  below: true,
                  render: (entry) => <span className="soft">{entry.because}</span>,
                },
              ]}
            />
          )
        }
      </Loaded>
    </Section>
  );
}

/** An item, or a version by its number. */
function Target({ entry: { what, target } }: { entry: Activity }) {
  const { t } = useWords();
  const name = what === "approve" || what === "rollback" ? t.whitelist.version(Number(target)) : target;
  return (
    <span className="clip" title={name}>
      {name}
    </span>
  );
}
