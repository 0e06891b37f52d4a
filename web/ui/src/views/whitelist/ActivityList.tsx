// Who changed what, and why.

import { csvPath } from "../../api/client";
import type { Activity } from "../../api/types";
import { useApi } from "../../api/use";
import { Section } from "../../parts/Section";
import { Empty, Loaded } from "../../parts/states";
import { Table } from "../../parts/table/Table";
import { useWords } from "../../text/words";

const NEWEST = { query: { limit: 200 } };

export function ActivityList() {
  const { t, f } = useWords();
  const activity = useApi("/api/v1/activity", NEWEST);
  return (
    <Section title={t.whitelist.tabs.activity} csv={csvPath("activity", { limit: 10_000 })}>
      <Loaded of={activity} height={320}>
        {(all) =>
          all.length === 0 ? (
            <Empty height={200}>{t.whitelist.noActivity}</Empty>
          ) : (
            <Table
              label={t.whitelist.tabs.activity}
              maxHeight={560}
              rows={all}
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
