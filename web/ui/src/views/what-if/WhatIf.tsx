// What more room, or less, would bring; and how other policies would have done.

import { useCallback, useState } from "react";
import { csvPath } from "../../api/client";
import type { Curve } from "../../api/types";
import { useApi } from "../../api/use";
import { hoursAt, marginalHours, nextStep } from "../../derive";
import { Figure, Figures } from "../../parts/figures";
import { Section } from "../../parts/Section";
import { Empty, Loaded } from "../../parts/states";
import { useWords } from "../../text/words";
import { setParams, useParam } from "../../url/location";
import { whole } from "../../url/params";
import { ChoiceAt } from "./ChoiceAt";
import { CurveChart } from "./CurveChart";
import { Policies } from "./Policies";
import { capacityMax, sliderOf, sliderStep } from "./slider";

const CAPACITY = whole();
const NO_PARAMETERS = {};
const HEIGHT = 280;

export default function WhatIf() {
  const { t } = useWords();
  const curve = useApi("/api/v1/curve", NO_PARAMETERS);
  return (
    <>
      <Loaded of={curve} height={HEIGHT + 280}>
        {(data) =>
          data.points.length > 0 ? <AtCapacity curve={data} /> : <Empty height={HEIGHT}>{t.whatIf.none}</Empty>
        }
      </Loaded>
      <Policies />
    </>
  );
}

/** The slider answers at once, from the curve; the daemon is asked once it rests, which is when the URL changes. */
function AtCapacity({ curve }: { curve: Curve }) {
  const { t, f } = useWords();
  const [said] = useParam("capacity", CAPACITY);
  const [dragged, setDragged] = useState<number | null>(null);
  const capacity = dragged ?? Math.min(said ?? curve.budget_bytes, capacityMax(curve));
  const rest = useCallback(
    (bytes: number) => {
      setParams({ capacity: bytes === curve.budget_bytes ? null : String(bytes) }, true);
      setDragged(null);
    },
    [curve],
  );
  const today = hoursAt(curve, curve.budget_bytes);
  const there = hoursAt(curve, capacity);
  const change = there - today;
  const next = marginalHours(curve, capacity);
  const settle = () => dragged !== null && rest(dragged);
  return (
    <>
      <Figures label={t.views["what-if"]}>
        <Figure
          name={t.whatIf.capacity}
          value={f.size(capacity)}
          note={t.whatIf.ofBudget(f.percent(capacity / curve.budget_bytes), f.size(curve.budget_bytes))}
        />
        <Figure name={t.whatIf.saved} value={f.duration(there * 3600)} note={t.whatIf.overHorizon} />
        <Figure
          name={t.whatIf.change}
          value={`${change >= 0 ? "+" : "−"}${f.duration(Math.abs(change) * 3600)}`}
          note={t.whatIf.besideToday(f.duration(today * 3600))}
        />
        <Figure
          name={t.whatIf.next(f.size(nextStep(curve)))}
          value={`+${f.duration(next * 3600)}`}
          note={t.whatIf.nextNote}
        />
      </Figures>
      <Section title={t.whatIf.curve} note={t.whatIf.curveNote} csv={csvPath("curve")}>
        <CurveChart curve={curve} capacity={capacity} height={HEIGHT} onChoose={rest} />
        <div className="slider">
          <label>
            <span>{t.whatIf.slider}</span>
            <input
              type="range"
              {...sliderOf(curve)}
              value={capacity}
              aria-valuetext={t.whatIf.sliderWords(f.size(capacity), f.duration(there * 3600))}
              onChange={(event) => setDragged(Number(event.target.value))}
              onPointerUp={settle}
              onKeyUp={settle}
              onBlur={settle}
            />
          </label>
          <span className="buttons">
            {[-1, 1].map((sign) => (
              <button
                key={sign}
                type="button"
                onClick={() =>
                  rest(Math.max(sliderStep(curve), Math.min(capacity + sign * nextStep(curve), capacityMax(curve))))
                }
              >
                {sign < 0 ? "−" : "+"} {f.size(nextStep(curve))}
              </button>
            ))}
            <button type="button" onClick={() => rest(Math.round(curve.budget_bytes / 2))}>
              {t.whatIf.half}
            </button>
            <button type="button" onClick={() => rest(Math.min(curve.budget_bytes * 2, capacityMax(curve)))}>
              {t.whatIf.twice}
            </button>
            <button type="button" onClick={() => rest(curve.budget_bytes)}>
              {t.whatIf.today}
            </button>
          </span>
        </div>
      </Section>
      <ChoiceAt capacity={said ?? curve.budget_bytes} moving={dragged !== null} />
    </>
  );
}
