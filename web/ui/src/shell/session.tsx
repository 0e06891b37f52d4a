// Who looks at the page, and what they may change.

import { createContext, type ReactNode, useContext, useEffect, useState } from "react";
import { whenSignInIsNeeded, writes } from "../api/client";
import type { Session } from "../api/types";
import { askAnew, useApi } from "../api/use";
import { go } from "../url/location";

export interface Viewer {
  session: Session | null;
  /** Whether to offer changes at all. The daemon decides again at each write. */
  mayWrite: boolean;
  signOut(): void;
}

const ViewerContext = createContext<Viewer>({ session: null, mayWrite: false, signOut: () => {} });

export function useViewer(): Viewer {
  return useContext(ViewerContext);
}

/** Where a sign-in leads back to: a path of this page, never another site. */
export function returnPath(said: string | null): string {
  return said !== null && /^\/(?![/\\])/.test(said) && !said.startsWith("/sign-in") ? said : "/";
}

export function toSignIn(): void {
  if (location.pathname === "/sign-in") return;
  const back = location.pathname + location.search;
  go(back === "/" ? "/sign-in" : `/sign-in?back=${encodeURIComponent(back)}`, true);
}

const NO_PARAMETERS = {};

export function ViewerProvider({ children }: { children: ReactNode }) {
  const known = useApi("/api/v1/session", NO_PARAMETERS);
  const [session, setSession] = useState<Session | null>(null);
  useEffect(() => whenSignInIsNeeded(toSignIn), []);
  useEffect(() => {
    if (known.state !== "ready") return;
    setSession(known.data);
    if (known.data.sign_in && known.data.person === null) toSignIn();
  }, [known]);
  const viewer: Viewer = {
    session,
    mayWrite: session?.person?.role === "operator",
    signOut: () => {
      void writes.signOut().finally(() => {
        askAnew();
        toSignIn();
      });
    },
  };
  return <ViewerContext value={viewer}>{children}</ViewerContext>;
}
