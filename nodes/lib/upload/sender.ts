import { hash } from 'node:crypto';
import type { Caller } from '../accounts/caller.ts';

/** Which device sent something (contract 4, Delivery). */
export interface Sender {
  /** Its refresh token's lineage, API key or session on the Pi; null where none is known. */
  readonly device: string | null;
  /** Its program and address, for where no device is known; null where neither is. */
  readonly agent: string | null;
}

/** What of it is kept says nothing of where anybody was. */
export function senderOf({ device, agent }: Caller): Sender {
  return {
    device: device ?? null,
    agent: agent === undefined ? null : hash('sha256', agent, 'base64url'),
  };
}

/**
 * `doubt`: nothing tells them apart, so they count as one where no version is lost by it. A device
 * that signed in past the Pi and refreshes through it later is such a case.
 */
export function compareSenders(a: Sender, b: Sender): 'same' | 'other' | 'doubt' {
  if (a.device !== null && b.device !== null) return a.device === b.device ? 'same' : 'other';
  const isKey = [a.device, b.device].some((device) => device?.startsWith('key:') === true);
  // Who signs in does not come with an API key.
  if (isKey && a.agent !== null && b.agent !== null) return 'other';
  return a.agent === null || b.agent === null || a.agent === b.agent ? 'doubt' : 'other';
}

/** A folder as one device was shown it. */
interface Sighting {
  readonly sender: Sender;
  /** The newest upload or change there was before. */
  readonly seq: number;
  readonly atMs: number;
}

const MOST_FOLDERS = 2_000;
const MOST_DEVICES = 16;

/**
 * Which device was shown which folder when, as it was then. In memory: after a restart a device
 * that saved without having looked again has its version put beside the other, which loses nothing.
 */
export class Sightings {
  readonly #folders = new Map<string, readonly Sighting[]>();

  note(userId: number, folder: string, sighting: Sighting): void {
    const key = `${userId}\n${folder}`;
    const others = (this.#folders.get(key) ?? []).filter(
      ({ sender }) =>
        sender.device !== sighting.sender.device || sender.agent !== sighting.sender.agent,
    );
    this.#folders.delete(key);
    this.#folders.set(key, [sighting, ...others].slice(0, MOST_DEVICES));
    for (const oldest of this.#folders.keys()) {
      if (this.#folders.size <= MOST_FOLDERS) break;
      this.#folders.delete(oldest);
    }
  }

  /** The last time that very device was shown that folder. */
  last(userId: number, folder: string, by: Sender): Sighting | null {
    const sightings = this.#folders.get(`${userId}\n${folder}`) ?? [];
    return sightings.find(({ sender }) => compareSenders(sender, by) !== 'other') ?? null;
  }
}
