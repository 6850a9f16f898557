import type { Node, NodeAPI, NodeDef } from 'node-red';
import { NodeGuard } from '../lib/guard/guarded.ts';
import { isoSeconds } from '../lib/http/http.ts';
import { type Rooms, roomsBehind } from '../lib/rooms/rooms.ts';
import { EVENT_KINDS } from './event-kinds.ts';
import {
  messageOf,
  ofCorrection,
  ofDisk,
  ofNas,
  ofPlug,
  ofUnusual,
  ofUpload,
  type Told,
} from './event-message.ts';

interface EventsConfig extends NodeDef {
  readonly store: string;
  /** What is to be told, of {@link EVENT_KINDS}. */
  readonly kinds?: readonly string[];
  /** Tells of nobody's uploads but this user's; empty for everybody's. */
  readonly username?: string;
  /** Of the sentence in `payload.text`. */
  readonly language?: string;
}

/** Hears what each room tells of itself. @returns how to stop that */
function hear(rooms: Rooms, tell: (told: Told) => void): () => void {
  const { upload, nas, tapo, energy, system } = rooms;
  const stops = [
    upload.onNews((news) => {
      tell(ofUpload(news));
    }),
    nas.onNews((news) => {
      tell(ofNas(news));
    }),
    tapo.onNews((news) => {
      tell(ofPlug(news));
    }),
    energy.onUnusual((hour) => {
      tell(ofUnusual(hour));
    }),
    energy.onCorrection((news) => {
      tell(ofCorrection(news));
    }),
    system.onNews((news) => {
      tell(ofDisk(news));
    }),
  ];
  return () => {
    for (const stop of stops) stop();
  };
}

function isWanted({ kind, to }: Told, { kinds = [], username = '' }: EventsConfig): boolean {
  if (!kinds.includes(kind)) return false;
  return username === '' || to.audience !== 'user' || to.username === username;
}

/** Node `balupi-events`. */
export default function register(RED: NodeAPI): void {
  function Events(this: Node, config: EventsConfig): void {
    RED.nodes.createNode(this, config);
    const language = config.language === 'de' ? 'de' : 'en';
    const guard = new NodeGuard(this);
    let stop = (): void => undefined;
    const begin = guard.callback(() => {
      const unknown = config.kinds?.find(
        (kind) => !(EVENT_KINDS as readonly string[]).includes(kind),
      );
      if (unknown !== undefined) throw new Error(`There is no event '${unknown}'.`);
      const rooms = roomsBehind(RED.nodes.getNode(config.store));
      const pass = guard.callback((told: Told) => {
        const at = isoSeconds(rooms.clock.nowMs());
        this.send(messageOf(told, at, language));
      });
      stop = hear(rooms, (told) => {
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
