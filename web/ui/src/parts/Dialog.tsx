// A dialog of the browser's own: it keeps the focus, and Esc closes it.

import { type ReactNode, useEffect, useId, useRef } from "react";
import { useWords } from "../text/words";

export function Dialog({ title, onClose, children }: { title: ReactNode; onClose(): void; children: ReactNode }) {
  const { t } = useWords();
  const box = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const dialog = box.current;
    dialog?.showModal?.();
    // Opening focuses what comes first, which is the button that closes.
    dialog?.querySelector<HTMLElement>("[data-first]")?.focus();
    return () => dialog?.close?.();
  }, []);
  return (
    <dialog
      ref={box}
      aria-labelledby={id}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      onClick={(event) => {
        if (event.target === box.current) onClose();
      }}
    >
      <div>
        <header>
          <h2 id={id}>{title}</h2>
          <button type="button" className="close" aria-label={t.parts.close} onClick={onClose}>
            ×
          </button>
        </header>
        {children}
      </div>
    </dialog>
  );
}
