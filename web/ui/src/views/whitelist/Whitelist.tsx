// The whitelist: what is held and why, how it came to be, and how to change it.

import type { Version } from "../../api/types";
import { dataOf, orNone, useApi } from "../../api/use";
import { Tabs } from "../../parts/controls";
import { Figure, Figures } from "../../parts/figures";
import { Empty, Loaded } from "../../parts/states";
import { causeWords } from "../../text/said";
import { useWords } from "../../text/words";
import { useParam } from "../../url/location";
import { oneOf } from "../../url/params";
import { ItemList } from "../item/ItemList";
import { ActivityList } from "./ActivityList";
import { Cut } from "./Cut";
import { Decisions } from "./Decisions";
import { Diff } from "./Diff";
import { NightButtons } from "./NightButtons";
import { Proposal } from "./Proposal";
import { Versions, VERSIONS_SHOWN } from "./Versions";

const TAB = oneOf(["items", "cut", "diff", "versions", "decisions", "activity"], "items");
/** One more tells that there are more. */
const VERSIONS = { query: { limit: VERSIONS_SHOWN + 1 } };
/** Only the figures beside the items are looked at. */
const FIGURES = { query: { limit: 1 } };

export default function Whitelist() {
  const { t } = useWords();
  const [tab, setTab] = useParam("tab", TAB);
  const versions = useApi("/api/v1/whitelist/history", VERSIONS);
  const value = orNone(useApi("/api/v1/value", FIGURES));
  const proposed = proposal(dataOf(versions));
  const inForce = dataOf(versions)?.find((version) => version.status === "published");
  return (
    <>
      <Loaded of={versions} height={96}>
        {() => (
          <Version inForce={inForce ?? null} cut={dataOf(value)?.cut_density} budget={dataOf(value)?.budget_bytes} />
        )}
      </Loaded>
      {proposed ? <Proposal version={proposed} /> : null}
      <NightButtons />
      <Tabs
        label={t.views.whitelist}
        value={tab}
        options={TABS.map((name) => ({ value: name, name: t.whitelist.tabs[name] }))}
        onChange={setTab}
      />
      {tab === "items" ? <ItemList title={t.whitelist.tabs.items} listedOnly /> : null}
      {tab === "cut" ? <Cut cutDensity={dataOf(value)?.cut_density} /> : null}
      {tab === "diff" ? <Diff versions={versions} /> : null}
      {tab === "versions" ? <Versions versions={versions} /> : null}
      {tab === "decisions" ? <Decisions /> : null}
      {tab === "activity" ? <ActivityList /> : null}
    </>
  );
}

const TABS = ["items", "cut", "diff", "versions", "decisions", "activity"] as const;

/** The newest version, if it waits for approval. */
export function proposal(versions: Version[] | undefined): Version | null {
  const newest = versions?.[0];
  return newest?.status === "proposed" ? newest : null;
}

function Version({
  inForce,
  cut,
  budget,
}: {
  inForce: Version | null;
  cut: number | undefined;
  budget: number | undefined;
}) {
  const { t, f } = useWords();
  if (!inForce) return <Empty height={96}>{t.whitelist.none}</Empty>;
  const filled = budget ? inForce.bytes / budget : null;
  return (
    <Figures label={t.whitelist.inForce}>
      <Figure
        name={t.whitelist.inForce}
        value={`v${inForce.version}`}
        note={`${f.moment(inForce.created)} · ${causeWords(inForce.cause, inForce.reason, t, f)}`}
      />
      <Figure name={t.words.items} value={f.count(inForce.items)} />
      <Figure
        name={t.words.size}
        value={f.size(inForce.bytes)}
        share={filled}
        note={budget ? t.whitelist.ofBudget(f.percent(filled), f.size(budget)) : null}
      />
      <Figure name={t.words.value} value={f.duration(inForce.value_seconds)} note={t.whitelist.valueNote} />
      <Figure name={t.words.cut} value={cut === undefined ? "–" : f.density(cut)} note={t.whitelist.cutNote} />
    </Figures>
  );
}
