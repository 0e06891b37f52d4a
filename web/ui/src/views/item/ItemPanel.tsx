// Why an item is in or out: every factor, its rank beside the cut, what would change the verdict, and what was expected.

import { useEffect, useRef, useState } from "react";
import type { Explanation, ItemExplanation } from "../../api/types";
import { useApi } from "../../api/use";
import { csvOf } from "../../parts/csv";
import { ItemName } from "../../parts/ItemName";
import { CsvLink } from "../../parts/Section";
import { Loaded } from "../../parts/states";
import { Table } from "../../parts/table/Table";
import { useViewer } from "../../shell/session";
import { NOTHING } from "../../text/format";
import { useWords } from "../../text/words";
import { setParams } from "../../url/location";
import { DecideDialog, type Deciding } from "./DecideDialog";
import { changeWords, factorText, verdictWords } from "./explain";

export function ItemPanel({ item, onClose }: { item: string; onClose(): void }) {
  const { t } = useWords();
  const known = useApi("/api/v1/whitelist/explain", { query: { item } });
  const panel = useRef<HTMLElement>(null);
  useEffect(() => {
    // The keyboard goes along, and back to where it came from.
    const opener = document.activeElement;
    panel.current?.focus({ preventScroll: true });
    return () => {
      if (opener instanceof HTMLElement && opener.isConnected) opener.focus({ preventScroll: true });
    };
  }, []);
  return (
    <aside ref={panel} tabIndex={-1} className="panel" aria-label={t.explain.title}>
      <header>
        <h2>
          <ItemName item={item} />
        </h2>
        <button type="button" className="close" data-closes aria-label={t.parts.close} onClick={onClose}>
          ×
        </button>
      </header>
      <Loaded of={known} height={400} absent={t.explain.unknown}>
        {(explanation) => {
          const [only] = explanation.items;
          if (explanation.items.length === 1 && only) return <OneItem of={only} explanation={explanation} />;
          return <ManyItems explanation={explanation} />;
        }}
      </Loaded>
    </aside>
  );
}

function OneItem({ of: item, explanation }: { of: ItemExplanation; explanation: Explanation }) {
  const { t, f } = useWords();
  const { verdict } = item;
  return (
    <>
      <p className={item.whitelisted ? "verdict in" : "verdict out"}>{verdictWords(item, explanation, t, f)}</p>
      {item.ruling ? (
        <p className="soft">
          {t.explain.ruled(t.items.rulings[item.ruling.kind], item.ruling.by, item.ruling.because)}
        </p>
      ) : null}
      <Decisions target={item.item} ruled={item.ruling?.kind ?? null} />
      {item.changes.length > 0 ? (
        <>
          <h3>{t.explain.changes}</h3>
          <ul className="plain">
            {item.changes.map((change) => (
              <li key={change.words}>{changeWords(change, t, f)}</li>
            ))}
          </ul>
        </>
      ) : null}
      {verdict ? (
        <>
          <h3>{t.explain.factors}</h3>
          <dl className="factors">
            <Factor name={t.words.value} value={f.duration(verdict.value_seconds)} words={t.explain.valueIs} />
            <Factor
              name={t.words.size}
              value={f.size(verdict.bytes)}
              words={t.explain.objects(f.count(verdict.objects))}
            />
            <Factor
              name={t.words.density}
              value={f.density(verdict.bytes > 0 ? verdict.value_seconds / verdict.bytes : 0)}
              words={t.explain.cutIs(explanation.choice ? f.density(explanation.choice.cut_density) : NOTHING)}
            />
            {(verdict.factors ?? []).map((factor) => {
              const known = t.factors[factor.name as keyof typeof t.factors];
              return (
                <Factor
                  key={factor.name}
                  name={known?.name ?? factor.name}
                  value={factorText(factor, f)}
                  words={known?.words ?? factor.words}
                />
              );
            })}
            {verdict.load_seconds === undefined ? null : (
              <Factor name={t.explain.load} value={f.duration(verdict.load_seconds)} words={t.explain.loadWords} />
            )}
          </dl>
        </>
      ) : null}
      {item.days && item.days.length > 0 ? (
        <>
          <h3>
            {t.explain.days} <CsvLink href={csvOf(item.days)} name="days.csv" />
          </h3>
          <Table
            label={t.explain.days}
            rows={item.days}
            rowKey={(day) => day.day}
            columns={[
              { key: "day", name: t.words.day, grows: true, render: (day) => f.day(day.day) },
              {
                key: "predicted",
                name: t.words.predicted,
                number: true,
                render: (day) => f.duration(day.predicted_seconds),
              },
              {
                key: "realised",
                name: t.words.realised,
                number: true,
                render: (day) => f.duration(day.realised_seconds),
              },
            ]}
          />
        </>
      ) : null}
    </>
  );
}

function Factor({ name, value, words }: { name: string; value: string; words: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
      <dd className="soft">{words}</dd>
    </div>
  );
}

const MANY_SHOWN = 100;

function ManyItems({ explanation }: { explanation: Explanation }) {
  const { t, f } = useWords();
  const held = explanation.items.filter((item) => item.whitelisted).length;
  return (
    <>
      <p className="verdict">{t.explain.many(f.count(held), f.count(explanation.items.length))}</p>
      <Decisions target={explanation.asked} ruled={explanation.items[0]?.ruling?.kind ?? null} />
      <ul className="plain">
        {explanation.items.slice(0, MANY_SHOWN).map((item) => (
          <li key={item.item}>
            <button type="button" className="link" onClick={() => setParams({ item: item.item })}>
              <ItemName item={item.item} />
            </button>
          </li>
        ))}
      </ul>
    </>
  );
}

/** Pin, deny, or take back what was decided; for operators only. */
function Decisions({ target, ruled }: { target: string; ruled: "pin" | "deny" | null }) {
  const { t } = useWords();
  const { mayWrite } = useViewer();
  const [deciding, setDeciding] = useState<Deciding | null>(null);
  if (!mayWrite) return null;
  const offer = (kind: Deciding["kind"], name: string) => (
    <button type="button" onClick={() => setDeciding({ kind, target })}>
      {name}
    </button>
  );
  return (
    <div className="buttons">
      {ruled === "pin" ? null : offer("pin", t.decide.pin)}
      {ruled === "deny" ? null : offer("deny", t.decide.deny)}
      {ruled === null ? null : offer("undecide", t.decide.undecide)}
      {deciding ? <DecideDialog deciding={deciding} onClose={() => setDeciding(null)} /> : null}
    </div>
  );
}
