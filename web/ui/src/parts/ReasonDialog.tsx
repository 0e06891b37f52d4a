// Asks for a reason before something is changed. It is kept with who and when.

import { type FormEvent, useState } from "react";
import { askAnew } from "../api/use";
import { useWords } from "../text/words";
import { Dialog } from "./Dialog";

interface ReasonDialogProps {
  title: string;
  /** What is about to change. */
  subject: string;
  /** What the change does. */
  words: string;
  action: string;
  onDo(because: string): Promise<unknown>;
  onClose(): void;
}

export function ReasonDialog({ title, subject, words, action, onDo, onClose }: ReasonDialogProps) {
  const { t } = useWords();
  const [because, setBecause] = useState("");
  const [problem, setProblem] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const act = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    try {
      await onDo(because.trim());
      onClose();
      askAnew();
    } catch (error) {
      setProblem(error instanceof Error ? error.message : String(error));
      setBusy(false);
    }
  };
  return (
    <Dialog title={title} onClose={onClose}>
      <form onSubmit={(event) => void act(event)}>
        <p className="subject">{subject}</p>
        <p>{words}</p>
        <label>
          {t.parts.reason}
          <textarea
            data-first
            required
            rows={3}
            maxLength={500}
            value={because}
            onChange={(event) => setBecause(event.target.value)}
          />
        </label>
        <p className="bad" role="alert">
          {problem}
        </p>
        <p className="buttons end">
          <button type="button" onClick={onClose}>
            {t.parts.cancel}
          </button>
          <button type="submit" className="primary" disabled={busy || because.trim() === ""}>
            {action}
          </button>
        </p>
      </form>
    </Dialog>
  );
}
