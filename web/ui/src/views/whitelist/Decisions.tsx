// What people decided: pins and denies, each with who, when and why.

import { useState } from "react";
import { csvPath } from "../../api/client";
import { useApi } from "../../api/use";
import { ItemName } from "../../parts/ItemName";
import { Link } from "../../parts/Link";
import { Section } from "../../parts/Section";
import { Empty, Loaded } from "../../parts/states";
import { Table } from "../../parts/table/Table";
import { useViewer } from "../../shell/session";
import { useWords } from "../../text/words";
import { hrefOf } from "../../url/views";
import { DecideDialog, type Deciding } from "../item/DecideDialog";

const NO_PARAMETERS = {};

export function Decisions() {
  const { t, f } = useWords();
  const { mayWrite } = useViewer();
  const [deciding, setDeciding] = useState<Deciding | null>(null);
  const decisions = useApi("/api/v1/whitelist/decisions", NO_PARAMETERS);
  return (
    <Section title={t.whitelist.tabs.decisions} note={t.whitelist.decisionsNote} csv={csvPath("whitelist/decisions")}>
      <Loaded of={decisions} height={240}>
        {(all) =>
          all.length === 0 ? (
            <Empty height={200}>{t.whitelist.noDecisions}</Empty>
          ) : (
            <Table
              label={t.whitelist.tabs.decisions}
              rows={all}
              rowKey={(decision) => decision.target}
              columns={[
                {
                  key: "kind",
                  name: t.words.decision,
                  render: (decision) => (
                    <span className={decision.kind === "pin" ? "in" : "out"}>{t.items.rulings[decision.kind]}</span>
                  ),
                },
                {
                  key: "target",
                  name: t.words.item,
                  grows: true,
                  render: (decision) => (
                    <Link href={hrefOf("value", { item: decision.target })} className="item-link">
                      <ItemName item={decision.target} />
                    </Link>
                  ),
                },
                { key: "by", name: t.words.who, render: (decision) => decision.by },
                { key: "at", name: t.words.when, wide: true, render: (decision) => f.moment(decision.decided) },
                {
                  key: "because",
                  name: t.words.why,
                  below: true,
                  render: (decision) => <span className="soft">{decision.because}</span>,
                },
                {
                  key: "action",
                  name: t.words.what,
                  plain: true,
                  render: (decision) =>
                    mayWrite ? (
                      <button
                        type="button"
                        className="link"
                        onClick={() => setDeciding({ kind: "undecide", target: decision.target })}
                      >
                        {t.decide.undecide}
                      </button>
                    ) : null,
                },
              ]}
            />
          )
        }
      </Loaded>
      {deciding ? <DecideDialog deciding={deciding} onClose={() => setDeciding(null)} /> : null}
    </Section>
  );
}
