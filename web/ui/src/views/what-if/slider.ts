// The slider's span: from a hundredth of the budget to where the curve ends. Pure.

import type { Curve } from "../../api/types";

export function capacityMax(curve: Curve): number {
  return Math.max(curve.budget_bytes, curve.points.at(-1)?.capacity_bytes ?? 0);
}

/** Two hundred steps over the budget: fine enough to drag, coarse enough for arrow keys. */
export function sliderStep(curve: Curve): number {
  return Math.max(1, Math.round(curve.budget_bytes / 200));
}

export function sliderOf(curve: Curve): { min: number; max: number; step: number } {
  const step = sliderStep(curve);
  return { min: step, max: capacityMax(curve), step };
}
