// Every version there was; any published one can be brought back.

import { useState } from "react";
import { csvPath, ROWS_MAX, writes } from "../../api/client";
import type { Version } from "../../api/types";
import { dataOf, type Known } from "../../api/use";
import { Link } from "../../parts/Link";
import { ReasonDialog } from "../../parts/ReasonDialog";
import { Section } from "../../parts/Section";
import { Empty, Loaded } from "../../parts/states";
import { Table } from "../../parts/table/Table";
import { useViewer } from "../../shell/session";
import { causeWords } from "../../text/said";
import { useWords } from "../../text/words";
import { hrefOf } from "../../url/views";

/** The newest so many; where there are more, the page says so. */
export const VERSIONS_SHOWN = 100;

export function Versions({ versions }: { versions: Known<Version[]> }) {
  const { t, f } = useWords();
  const { mayWrite } = useViewer();
  const [asking, setAsking] = useState<number | null>(null);
  const isCut = (dataOf(versions)?.length ?? 0) > VERSIONS_SHOWN;
  return (
    <Section
      title={t.whitelist.tabs.versions}
      note={isCut ? t.parts.newestOnly(f.count(VERSIONS_SHOWN), f.count(ROWS_MAX)) : undefined}
      csv={csvPath("whitelist/history", { limit: ROWS_MAX })}
    >
      <Loaded of={versions} height={400}>
        {(all) => {
          if (all.length === 0) return <Empty height={200}>{t.whitelist.none}</Empty>;
          const inForce = all.find((version) => version.status === "published")?.version;
          return (
            <Table
              label={t.whitelist.tabs.versions}
              maxHeight={560}
              rows={all.slice(0, VERSIONS_SHOWN)}
              rowKey={(version) => String(version.version)}
              columns={[
                {
                  key: "version",
                  name: t.words.version,
                  render: (version) => (
                    <Link href={hrefOf("whitelist", { tab: "diff", to: version.version })}>v{version.version}</Link>
                  ),
                },
                { key: "created", name: t.words.when, render: (version) => f.moment(version.created) },
                { key: "items", name: t.words.items, number: true, render: (version) => f.count(version.items) },
                { key: "bytes", name: t.words.size, number: true, render: (version) => f.size(version.bytes) },
                {
                  key: "value",
                  name: t.words.value,
                  number: true,
                  wide: true,
                  render: (version) => f.duration(version.value_seconds),
                },
                {
                  key: "reason",
                  name: t.words.why,
                  below: true,
                  grows: true,
                  render: (version) => (
                    <span className="soft clip" title={version.reason}>
                      {causeWords(version.cause, version.reason, t, f)}
                    </span>
                  ),
                },
                {
                  key: "action",
                  name: t.words.what,
                  plain: true,
                  render: (version) => {
                    if (version.version === inForce) return <span className="in">{t.whitelist.isInForce}</span>;
                    if (version.status === "proposed") return <span className="soft">{t.whitelist.proposed}</span>;
                    return mayWrite ? (
                      <button type="button" className="link" onClick={() => setAsking(version.version)}>
                        {t.whitelist.rollBack}
                      </button>
                    ) : null;
                  },
                },
              ]}
            />
          );
        }}
      </Loaded>
      {asking === null ? null : (
        <ReasonDialog
          title={t.whitelist.rollBack}
          subject={t.whitelist.version(asking)}
          words={t.whitelist.rollBackDoes}
          action={t.whitelist.rollBack}
          onDo={(because) => writes.rollBack(asking, because)}
          onClose={() => setAsking(null)}
        />
      )}
    </Section>
  );
}
