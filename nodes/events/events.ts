import type { Node, NodeAPI, NodeDef } from 'node-red';
import { EVENT_KINDS, eventMessage, hear, type Told } from '../lib/events/events.ts';
import { NodeGuard } from '../lib/guard/guard.ts';
import { isoSeconds } from '../lib/http/http.ts';
import { servicesBehind } from '../lib/services/services.ts';
import { WORDS } from '../lib/words/words.ts';

interface EventsConfig extends NodeDef {
  readonly store: string;
  /** What is to be told, of {@link EVENT_KINDS}. */
  readonly kinds?: readonly string[];
  /** Reports only this user's uploads; empty for everybody's. */
  readonly username?: string;
  /** Of the sentence in `payload.text`. */
  readonly language?: string;
}

function isWanted({ kind, to }: Told, { kinds = [], username = '' }: EventsConfig): boolean {
  if (!kinds.includes(kind)) return false;
  return username === '' || to.audience !== 'user' || to.username === username;
}

/** Node `balupi-events`. */
export default function register(RED: NodeAPI): void {
  function Events(this: Node, config: EventsConfig): void {
    RED.nodes.createNode(this, config);
    const language = WORDS.languageOf(config.language, undefined);
    const guard = new NodeGuard(this);
    let stop = (): void => undefined;
    const begin = guard.callback(() => {
      const unknown = config.kinds?.find(
        (kind) => !(EVENT_KINDS as readonly string[]).includes(kind),
      );
      if (unknown !== undefined) throw new Error(`There is no event '${unknown}'.`);
      const services = servicesBehind(RED.nodes.getNode(config.store));
      const pass = guard.callback((told: Told) => {
        const at = isoSeconds(services.clock.nowMs());
        this.send(eventMessage(told, at, language));
      });
      stop = hear(services, (told) => {
        if (isWanted(told, config)) pass(told);
      });
    });
    begin();
    this.on('close', () => {
      stop();
    });
  }
  RED.nodes.registerType('balupi-events', Events);
}
