// Signing in by token. The daemon answers with a cookie that no script can read.

import { type FormEvent, useState } from "react";
import { ApiError, writes } from "../api/client";
import { askAnew } from "../api/use";
import { useWords } from "../text/words";
import { go, useSearch } from "../url/location";
import { returnPath } from "./session";

export default function SignIn() {
  const { t } = useWords();
  const search = useSearch();
  const [token, setToken] = useState("");
  const [problem, setProblem] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);

  const signIn = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    try {
      await writes.signIn(token);
      askAnew();
      go(returnPath(new URLSearchParams(search).get("back")), true);
    } catch (error) {
      setProblem(
        error instanceof ApiError && error.status === 401
          ? t.signIn.unknown
          : String(error instanceof Error ? error.message : error),
      );
      setBusy(false);
    }
  };
  return (
    <form className="sign-in" onSubmit={(event) => void signIn(event)}>
      <h1>{t.signIn.title}</h1>
      <p>{t.signIn.why}</p>
      <label>
        {t.signIn.token}
        <input
          type="password"
          autoComplete="current-password"
          autoFocus
          required
          value={token}
          aria-invalid={problem !== null}
          aria-describedby="sign-in-problem"
          onChange={(event) => setToken(event.target.value)}
        />
      </label>
      <p id="sign-in-problem" role="alert" className="bad">
        {problem}
      </p>
      <button type="submit" className="primary" disabled={busy}>
        {t.signIn.enter}
      </button>
    </form>
  );
}
