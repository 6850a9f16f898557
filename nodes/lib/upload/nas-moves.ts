import type { NasApi } from '../nas/nas-client.ts';
import { encodeNasPath } from '../nas/nas-path.ts';
import { interruptionOf, type Interruption } from './interruption.ts';

/** Renames and deletes on the NAS as one user. Null: it says that it did so. */
export class NasMoves {
  readonly #api: Pick<NasApi, 'call'>;

  constructor(api: Pick<NasApi, 'call'>) {
    this.#api = api;
  }

  /**
   * Onto a name that exists the NAS replaces that file and answers 500 (measured), so whoever calls
   * has looked before.
   */
  async rename(token: string, path: string, newName: string): Promise<Interruption | null> {
    const answered = await this.#api.call({
      method: 'PUT',
      path: '/api/files/rename',
      token,
      body: { old_path: path, new_name: newName },
    });
    return interruptionOf(answered);
  }

  /**
   * To a full path that is free: where a folder lies there, the NAS moves it into that; where a file
   * does, it replaces it.
   */
  async move(token: string, path: string, toPath: string): Promise<Interruption | null> {
    const answered = await this.#api.call({
      method: 'PUT',
      path: '/api/files/move',
      token,
      body: { source_path: path, target_path: toPath },
    });
    return interruptionOf(answered);
  }

  /** With all below it. What is not there counts as deleted, here as on the NAS. */
  async remove(token: string, path: string): Promise<Interruption | null> {
    const answered = await this.#api.call({
      method: 'DELETE',
      path: `/api/files/${encodeNasPath(path)}`,
      token,
    });
    return interruptionOf(answered);
  }
}
