// Preloads: what runs now, what ran, what was left out and why, and what it wears.

import { useApi } from "../../api/use";
import { Tabs } from "../../parts/controls";
import { Loaded } from "../../parts/states";
import { useWords } from "../../text/words";
import { useParam } from "../../url/location";
import { oneOf } from "../../url/params";
import { History } from "./History";
import { usePreload } from "./live";
import { Now } from "./Now";
import { PreloadItems } from "./PreloadItems";
import { leftOut } from "./progress";
import { Wear } from "./Wear";

const TAB = oneOf(["items", "left-out", "history"], "items");
/** How many items were left out is enough. */
const RUNS = { query: { limit: 60, items: false } };

export default function Preload() {
  const { t, f } = useWords();
  const [tab, setTab] = useParam("tab", TAB);
  const { known, live } = usePreload();
  const runs = useApi("/api/v1/nights/preloads", tab === "history" ? RUNS : null);
  const out = known.state === "ready" ? leftOut(known.data.items).length : 0;
  return (
    <>
      <Loaded of={known} height={150}>
        {(status) => <Now status={status} live={live} />}
      </Loaded>
      <Tabs
        label={t.views.preload}
        value={tab}
        options={[
          { value: "items", name: t.preload.items },
          { value: "left-out", name: `${t.preload.leftOut}${out > 0 ? ` (${f.count(out)})` : ""}` },
          { value: "history", name: t.preload.history },
        ]}
        onChange={setTab}
      />
      {tab === "history" ? (
        <>
          <Wear runs={runs} />
          <History runs={runs} />
        </>
      ) : (
        <Loaded of={known} height={360}>
          {(status) => (
            <PreloadItems
              items={tab === "left-out" ? leftOut(status.items) : status.items}
              outOnly={tab === "left-out"}
            />
          )}
        </Loaded>
      )}
    </>
  );
}
