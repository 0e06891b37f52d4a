// What the colours of a treemap mean.

import { useWords } from "../../text/words";

export function KeptScale() {
  const { t } = useWords();
  return (
    <p className="scale" aria-hidden="true">
      {t.value.keptNone} <i /> {t.value.keptAll}
    </p>
  );
}
