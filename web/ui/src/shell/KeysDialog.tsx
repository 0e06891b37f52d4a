// The list of keys.

import { Dialog } from "../parts/Dialog";
import { useWords } from "../text/words";
import { VIEW_KEYS, VIEWS } from "../url/views";

export function KeysDialog({ onClose }: { onClose(): void }) {
  const { t } = useWords();
  return (
    <Dialog title={t.shell.keys} onClose={onClose}>
      <dl className="keys">
        {VIEWS.map((view) => (
          <div key={view}>
            <dt>
              <kbd>g</kbd> <kbd>{VIEW_KEYS[view]}</kbd>
            </dt>
            <dd>{t.views[view]}</dd>
          </div>
        ))}
        <div>
          <dt>
            <kbd>/</kbd>
          </dt>
          <dd>{t.shell.toSearch}</dd>
        </div>
        <div>
          <dt>
            <kbd>Esc</kbd>
          </dt>
          <dd>{t.shell.toClose}</dd>
        </div>
        <div>
          <dt>
            <kbd>?</kbd>
          </dt>
          <dd>{t.shell.keys}</dd>
        </div>
      </dl>
    </Dialog>
  );
}
