import { randomBytes } from 'node:crypto';
import type { Clock } from '../../../nodes/lib/time/clock.ts';

export interface ApiKey {
  readonly id: number;
  readonly name: string;
  readonly key: string;
  readonly targetUserId: number;
  readonly createdByUserId: number;
  readonly createdAtMs: number;
  readonly expiresAtMs: number | null;
  useCount: number;
  lastUsedAtMs: number | null;
  lastUsedIp: string | null;
}

/** API keys: made by an admin, acting as their target user. */
export class ApiKeys {
  readonly #clock: Clock;
  readonly #keys = new Map<number, ApiKey>();
  #lastId = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  create(target: {
    readonly name: string;
    readonly targetUserId: number;
    readonly createdByUserId: number;
    readonly validDays?: number;
  }): ApiKey {
    this.#lastId += 1;
    const createdAtMs = this.#clock.nowMs();
    const key: ApiKey = {
      id: this.#lastId,
      name: target.name,
      key: `balu_${randomBytes(30).toString('base64url')}`,
      targetUserId: target.targetUserId,
      createdByUserId: target.createdByUserId,
      createdAtMs,
      expiresAtMs:
        target.validDays === undefined ? null : createdAtMs + target.validDays * 86_400_000,
      useCount: 0,
      lastUsedAtMs: null,
      lastUsedIp: null,
    };
    this.#keys.set(key.id, key);
    return key;
  }

  madeBy(userId: number): readonly ApiKey[] {
    return [...this.#keys.values()].filter((key) => key.createdByUserId === userId);
  }

  byId(id: number): ApiKey | undefined {
    return this.#keys.get(id);
  }

  revoke(id: number): boolean {
    return this.#keys.delete(id);
  }

  /** The valid key with this text. */
  use(text: string, ip: string): ApiKey | undefined {
    const nowMs = this.#clock.nowMs();
    const key = [...this.#keys.values()].find((candidate) => candidate.key === text);
    if (key === undefined) return undefined;
    if (key.expiresAtMs !== null && key.expiresAtMs <= nowMs) return undefined;
    key.useCount += 1;
    key.lastUsedAtMs = nowMs;
    key.lastUsedIp = ip;
    return key;
  }
}
