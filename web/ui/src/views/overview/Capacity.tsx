// Room on this worker's tiers, by what it is used for.

import type { Residency } from "../../api/types";
import type { Known } from "../../api/use";
import { Parts } from "../../parts/figures";
import { Section } from "../../parts/Section";
import { Loaded } from "../../parts/states";
import { useWords } from "../../text/words";
import { capacityUse } from "./capacityUse";

export function Capacity({ residency }: { residency: Known<Residency> }) {
  const { t, f } = useWords();
  return (
    <Section title={t.overview.capacity} note={t.overview.capacityNote}>
      <Loaded of={residency} height={160}>
        {(data) => {
          const ssd = capacityUse(data);
          const memory = data.tiers.find((tier) => tier.tier === "memory");
          const part = (name: string, colour: string, amount: number) => ({
            name,
            colour,
            amount,
            text: f.size(amount),
          });
          return (
            <>
              {ssd ? (
                <Parts
                  label={t.overview.tierOf(t.tiers.ssd, f.size(ssd.tier.capacity_bytes))}
                  parts={[
                    part(t.words.whitelist, "accent", ssd.whitelistBytes),
                    part(t.words.adaptive, "blue", ssd.adaptiveBytes),
                    part(t.words.free, "faint", ssd.freeBytes),
                  ]}
                />
              ) : null}
              {memory ? (
                <Parts
                  label={t.overview.tierOf(t.tiers.memory, f.size(memory.capacity_bytes))}
                  parts={[
                    part(t.words.used, "blue", memory.used_bytes),
                    part(t.words.free, "faint", Math.max(memory.capacity_bytes - memory.used_bytes, 0)),
                  ]}
                />
              ) : null}
            </>
          );
        }}
      </Loaded>
    </Section>
  );
}
