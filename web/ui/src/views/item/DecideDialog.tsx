// Pin, deny or undecide: what it does, and a reason that colleagues will read.

import { writes } from "../../api/client";
import { ReasonDialog } from "../../parts/ReasonDialog";
import { useWords } from "../../text/words";

export interface Deciding {
  kind: "pin" | "deny" | "undecide";
  target: string;
}

export function DecideDialog({ deciding, onClose }: { deciding: Deciding; onClose(): void }) {
  const { t } = useWords();
  const { kind, target } = deciding;
  return (
    <ReasonDialog
      title={t.decide.titles[kind]}
      subject={target}
      words={t.decide.does[kind]}
      action={t.decide[kind]}
      onClose={onClose}
      onDo={(because) =>
        kind === "undecide" ? writes.undecide(target, because) : writes.decide(target, kind, because)
      }
    />
  );
}
