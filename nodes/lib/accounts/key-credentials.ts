import type { NasClient } from '../nas/nas.ts';
import type { Clock } from '../time/clock.ts';
import type { CredentialRow } from './credential-rows.ts';
import type { CredentialVault } from './credential-vault.ts';
import { type Whose, whoseToken } from './nas-identity.ts';

/** After a silence, and for a switched-off user, the NAS is not asked again sooner, ms. */
const ASK_AGAIN_MS = 30_000;
const INACTIVE_AGAIN_MS = 900_000;

/** API keys an admin stored. None is used before the NAS said, in this run, whose it is. */
export class KeyCredentials {
  readonly #vault: CredentialVault;
  readonly #nas: Pick<NasClient, 'me'>;
  readonly #clock: Clock;
  readonly #proven = new Set<string>();
  readonly #notBeforeMs = new Map<string, number>();

  constructor(vault: CredentialVault, nas: Pick<NasClient, 'me'>, clock: Clock) {
    this.#vault = vault;
    this.#nas = nas;
    this.#clock = clock;
  }

  /**
   * @param username as that user is known; a key stored while the NAS slept is known by it alone
   * @returns a key that the NAS says is this very user's, or null
   */
  async usable(userId: number, username: string | null): Promise<string | null> {
    const { rows } = this.#vault;
    const row =
      rows.ofUser(userId, 'api_key') ??
      (username === null ? null : rows.named(username, 'api_key'));
    if (row === null || (row.userId !== null && row.userId !== userId)) return null;
    const checked = await this.check(row);
    if (checked?.userId !== userId) return null;
    this.#vault.used(checked);
    return this.#vault.secretOf(checked);
  }

  /**
   * Asks the NAS whose a key is, unless it told in this run.
   * @returns the row when it may be used
   */
  async check(row: CredentialRow): Promise<CredentialRow | null> {
    if (row.state === 'ok' && this.#proven.has(row.id)) return row;
    if (row.state === 'revoked' || row.state === 'removed') return null;
    const nowMs = this.#clock.monotonicMs();
    const key = this.#vault.secretOf(row);
    if (key === null || nowMs < (this.#notBeforeMs.get(row.id) ?? -Infinity)) return null;
    return this.#take(row, await whoseToken(this.#nas, key));
  }

  /** The NAS answered that user's key 401: asked again, it tells why. */
  async refused(row: CredentialRow): Promise<void> {
    this.#proven.delete(row.id);
    await this.check(row);
  }

  /** The NAS just said whose this new key is. */
  proven(row: CredentialRow): void {
    this.#proven.add(row.id);
  }

  #take(row: CredentialRow, whose: Whose): CredentialRow | null {
    const { rows } = this.#vault;
    const wait = (ms: number): null => {
      this.#notBeforeMs.set(row.id, this.#clock.monotonicMs() + ms);
      return null;
    };
    switch (whose.kind) {
      case 'silent':
        return wait(ASK_AGAIN_MS);
      case 'inactive':
        rows.setState(row.id, 'inactive', 'Its user is switched off on the NAS.');
        return wait(INACTIVE_AGAIN_MS);
      case 'refused':
        rows.setState(row.id, 'revoked', whose.detail);
        return null;
      case 'user':
        if (row.userId === null ? whose.username !== row.username : whose.id !== row.userId) {
          rows.setState(row.id, 'revoked', 'It is the key of somebody else.');
          return null;
        }
        this.#proven.add(row.id);
        if (row.state !== 'ok' || row.userId === null) rows.confirm(row.id, whose.id);
        return { ...row, state: 'ok', userId: whose.id };
    }
  }
}
