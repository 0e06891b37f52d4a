// A version that waits for approval.

import { useState } from "react";
import { writes } from "../../api/client";
import type { Version } from "../../api/types";
import { Link } from "../../parts/Link";
import { ReasonDialog } from "../../parts/ReasonDialog";
import { useViewer } from "../../shell/session";
import { useWords } from "../../text/words";
import { hrefOf } from "../../url/views";

export function Proposal({ version }: { version: Version }) {
  const { t, f } = useWords();
  const { mayWrite } = useViewer();
  const [asking, setAsking] = useState(false);
  return (
    <div className="banner">
      <p>
        {t.whitelist.proposal(
          version.version,
          f.moment(version.created),
          f.count(version.items),
          f.size(version.bytes),
        )}{" "}
        <Link href={hrefOf("whitelist", { tab: "diff", to: version.version })}>{t.whitelist.seeDiff}</Link>
      </p>
      {mayWrite ? (
        <button type="button" className="primary" onClick={() => setAsking(true)}>
          {t.whitelist.approve}
        </button>
      ) : null}
      {asking ? (
        <ReasonDialog
          title={t.whitelist.approve}
          subject={t.whitelist.version(version.version)}
          words={t.whitelist.approveDoes}
          action={t.whitelist.approve}
          onDo={(because) => writes.approve(version.version, because)}
          onClose={() => setAsking(false)}
        />
      ) : null}
    </div>
  );
}
