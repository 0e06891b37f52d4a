// The fleet: each worker's tiers, health, errors and version, and the configuration in force.

import { useApi } from "../../api/use";
import { Tabs } from "../../parts/controls";
import { useWords } from "../../text/words";
import { useParam } from "../../url/location";
import { oneOf } from "../../url/params";
import { Config } from "./Config";
import { Fleet } from "./Fleet";

const TABS = ["fleet", "config"] as const;
const TAB = oneOf(TABS, "fleet");
const NO_PARAMETERS = {};
const OFTEN = { everyMs: 10_000 };

export default function Workers() {
  const { t } = useWords();
  const [tab, setTab] = useParam("tab", TAB);
  const workers = useApi("/api/v1/workers", NO_PARAMETERS, OFTEN);
  return (
    <>
      <Tabs
        label={t.views.workers}
        value={tab}
        options={TABS.map((name) => ({ value: name, name: t.workers.tabs[name] }))}
        onChange={setTab}
      />
      {tab === "fleet" ? <Fleet workers={workers} /> : <Config />}
    </>
  );
}
