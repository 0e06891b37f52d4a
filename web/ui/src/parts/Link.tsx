// A link within the page: no reload, and everything else a link does (new tab, copy, middle click).

import type { AnchorHTMLAttributes, MouseEvent, Ref } from "react";
import { go } from "../url/location";

interface LinkProps extends AnchorHTMLAttributes<HTMLAnchorElement> {
  href: string;
  ref?: Ref<HTMLAnchorElement> | undefined;
}

export function Link({ href, onClick, ...rest }: LinkProps) {
  const follow = (event: MouseEvent<HTMLAnchorElement>) => {
    onClick?.(event);
    if (
      event.defaultPrevented ||
      event.button !== 0 ||
      event.metaKey ||
      event.ctrlKey ||
      event.shiftKey ||
      event.altKey
    )
      return;
    event.preventDefault();
    const before = location.pathname;
    go(href);
    if (location.pathname !== before) scrollTo(0, 0);
  };
  return <a href={href} onClick={follow} {...rest} />;
}
