import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Clock } from '../nodes/lib/time/clock.ts';
import { shareOf } from './remote-address.ts';

interface Deps {
  /** Most connections on all ports together. */
  readonly most: number;
  readonly clock: Pick<Clock, 'monotonicMs'>;
  /** Called at most once a minute with the owner who loses connections, and how many they hold. */
  readonly onCrowd?: (owner: string, held: number, most: number) => void;
}

/** One connection and its state. */
interface Place {
  readonly socket: Socket;
  /** Whose share it counts in: an address, or the user of its last request. */
  owner: string;
  /** Requests without an answer yet; a client may pipeline. */
  pending: number;
  exchange: { readonly request: IncomingMessage; readonly response: ServerResponse } | null;
  /** No longer HTTP. */
  isUpgraded: boolean;
  /** When its present idle time, request or socket began, and what it had moved by then. */
  sinceMs: number;
  fromBytes: number;
}

/** An owner with no more than this part of all places is left alone while some are free. */
const FEW = 1 / 50;
/** Part of all places that sockets may take: they stay for hours, requests for moments. */
const SOCKETS = 1 / 4;
/** No browser or app pipelines more; Node would begin all of them at once. */
const MOST_PENDING = 8;
/** So that a connection that just began does not count as slow. */
const HEAD_START_BYTES = 1_024;
const TELL_EVERY_MS = 60_000;

/**
 * Shares out the places for connections (contract 1, Fair shares). While at most half of them are
 * taken, nobody loses any. Above that each newcomer costs the owner of the most places their slowest:
 * the one that moved the fewest bytes for its time. So one address that sits on connections cannot
 * shut others out, and a household behind a proxy or a VPN is not capped as one, as signed-in
 * requests count for their user.
 */
export class ConnectionLimit {
  readonly #deps: Deps;
  readonly #places = new Map<Socket, Place>();
  readonly #held = new Map<string, Set<Place>>();
  #closing = false;
  #toldAtMs = -Infinity;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  get size(): number {
    return this.#places.size;
  }

  /** Whether over half the places are taken. */
  get isCrowded(): boolean {
    return this.size > this.#deps.most / 2;
  }

  add(socket: Socket): void {
    const place: Place = {
      socket,
      owner: '',
      pending: 0,
      exchange: null,
      isUpgraded: false,
      sinceMs: this.#deps.clock.monotonicMs(),
      fromBytes: 0,
    };
    this.#places.set(socket, place);
    this.#count(place, shareOf(socket.remoteAddress ?? ''));
    socket.once('close', () => {
      this.#forget(place);
    });
    if (this.isCrowded) this.#closeIdlest(place);
  }

  /**
   * A request of `owner` came in.
   * @returns false if its connection is gone, so that it needs no answer
   */
  serve(request: IncomingMessage, response: ServerResponse, owner: string): boolean {
    const place = this.#places.get(request.socket);
    if (place === undefined) return false;
    if (place.pending >= MOST_PENDING) {
      this.#forget(place);
      place.socket.destroy();
      return false;
    }
    this.#count(place, owner);
    place.pending += 1;
    place.exchange = { request, response };
    if (place.pending === 1) this.#begin(place);
    return true;
  }

  /** An answer on it ended. */
  rest(socket: Socket): void {
    const place = this.#places.get(socket);
    if (place === undefined || place.pending === 0) return;
    place.pending -= 1;
    if (place.pending > 0) return;
    place.exchange = null;
    this.#begin(place);
    if (this.#closing && !place.isUpgraded) socket.destroySoon();
  }

  /** Moves the connection to its owner's share, once authenticated. */
  belongsTo(socket: Socket, owner: string): void {
    const place = this.#places.get(socket);
    if (place !== undefined) this.#count(place, owner);
  }

  /**
   * Counts a connection that asks for an upgrade. Once sockets have used up their part of the
   * places, the owner of the most sockets loses their slowest.
   * @returns whether there is a place for it
   */
  takeSocket(socket: Socket, owner?: string): boolean {
    const place = this.#places.get(socket);
    if (place === undefined) return false;
    if (owner !== undefined) this.#count(place, owner);
    place.isUpgraded = true;
    this.#begin(place);
    const held = this.#fullest((other) => other.isUpgraded);
    if (held.all <= this.#deps.most * SOCKETS) return true;
    const victim = this.#slowest(held.places.filter((other) => other !== place));
    if (victim !== undefined) this.#drop(victim, held.places.length);
    else place.isUpgraded = false;
    return victim !== undefined;
  }

  /** Closes idle connections now, and the others as soon as they are answered. */
  close(): void {
    this.#closing = true;
    for (const { socket, pending } of [...this.#places.values()])
      if (pending === 0) socket.destroy();
  }

  cut(): void {
    for (const { socket, pending } of [...this.#places.values()]) if (pending > 0) socket.destroy();
  }

  #closeIdlest(newcomer: Place): void {
    const isFull = this.size > this.#deps.most;
    const { places } = this.#fullest();
    if (!isFull && places.length <= Math.max(1, this.#deps.most * FEW)) return;
    const others = places.filter((place) => place !== newcomer);
    const victim =
      this.#slowest(others.filter((place) => !waitsForUs(place))) ??
      // A client that waits for our answer is not slow, and goes only where nothing else helps.
      (isFull ? (this.#slowest(others) ?? newcomer) : undefined);
    if (victim !== undefined) this.#drop(victim, places.length);
  }

  /** The owner of the most such places. */
  #fullest(counts: (place: Place) => boolean = () => true): { all: number; places: Place[] } {
    let [all, most]: [number, Place[]] = [0, []];
    for (const held of this.#held.values()) {
      const places = [...held].filter(counts);
      all += places.length;
      if (places.length > most.length) most = places;
    }
    return { all, places: most };
  }

  #slowest(places: readonly Place[]): Place | undefined {
    const nowMs = this.#deps.clock.monotonicMs();
    const paceOf = (place: Place): number =>
      (movedBytes(place.socket) - place.fromBytes + HEAD_START_BYTES) / (nowMs - place.sinceMs + 1);
    let [slowest, slowestPace]: [Place | undefined, number] = [undefined, Infinity];
    for (const place of places) {
      const pace = paceOf(place);
      if (pace < slowestPace) [slowest, slowestPace] = [place, pace];
    }
    return slowest;
  }

  #drop(place: Place, held: number): void {
    const nowMs = this.#deps.clock.monotonicMs();
    if (nowMs - this.#toldAtMs >= TELL_EVERY_MS) {
      this.#toldAtMs = nowMs;
      this.#deps.onCrowd?.(place.owner, held, this.#deps.most);
    }
    // Its 'close' event comes later, and others may connect before that.
    this.#forget(place);
    place.socket.destroy();
  }

  #begin(place: Place): void {
    place.sinceMs = this.#deps.clock.monotonicMs();
    place.fromBytes = movedBytes(place.socket);
  }

  #count(place: Place, owner: string): void {
    if (place.owner === owner && this.#held.get(owner)?.has(place) === true) return;
    this.#uncount(place);
    place.owner = owner;
    const held = this.#held.get(owner);
    if (held === undefined) this.#held.set(owner, new Set([place]));
    else held.add(place);
  }

  #uncount(place: Place): void {
    const held = this.#held.get(place.owner);
    held?.delete(place);
    if (held?.size === 0) this.#held.delete(place.owner);
  }

  #forget(place: Place): void {
    this.#places.delete(place.socket);
    this.#uncount(place);
  }
}

/** The whole request is here and nothing was answered yet: the delay is ours. */
function waitsForUs({ pending, exchange }: Place): boolean {
  return (
    pending > 0 && exchange !== null && exchange.request.complete && !exchange.response.headersSent
  );
}

/**
 * Bytes received and sent on a connection. Node counts a whole answer as written at once; only the
 * handle below it knows how much a slow reader has not taken yet.
 */
export function movedBytes(socket: Socket): number {
  const { _handle: handle } = socket as Socket & { readonly _handle?: Partial<Handle> | null };
  const handed = handle?.bytesWritten ?? socket.bytesWritten;
  return socket.bytesRead + handed - (handle?.writeQueueSize ?? 0);
}

/** The part of Node's socket handle that is used. */
interface Handle {
  readonly bytesWritten: number;
  readonly writeQueueSize: number;
}
