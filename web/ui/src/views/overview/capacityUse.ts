// The SSD by what its room is used for. Pure.

import type { Residency, TierUse } from "../../api/types";

export interface CapacityUse {
  tier: TierUse;
  whitelistBytes: number;
  adaptiveBytes: number;
  freeBytes: number;
}

/** What is held of whitelisted items, what else is held (the adaptive share), and what is free. */
export function capacityUse(residency: Residency): CapacityUse | null {
  const tier = residency.tiers.find((known) => known.tier === "ssd");
  if (!tier) return null;
  const whitelistBytes = Math.min(residency.total?.resident_bytes ?? 0, tier.used_bytes);
  return {
    tier,
    whitelistBytes,
    adaptiveBytes: tier.used_bytes - whitelistBytes,
    freeBytes: Math.max(tier.capacity_bytes - tier.used_bytes, 0),
  };
}
