import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ManualClock } from '../fakes/manual-clock.ts';
import { NasCaller, type Account, type Reply } from './contract/nas-under-test.ts';
import { PRACTICE_USERS, type PracticeNasOptions } from './nas/options.ts';
import { PracticeNas } from './nas/practice-nas.ts';

export function account(username: string): Account {
  const user = PRACTICE_USERS.find((one) => one.username === username);
  assert.ok(user);
  return { username, password: user.password };
}

/** A practice NAS on a manual clock, with alice signed in. */
export class PracticeBench {
  readonly clock: ManualClock;
  readonly nas: PracticeNas;
  readonly caller: NasCaller;
  /** Her access token. */
  readonly alice: string;
  readonly #folder: string;

  private constructor(folder: string, nas: PracticeNas, clock: ManualClock) {
    this.#folder = folder;
    this.nas = nas;
    this.clock = clock;
    this.caller = new NasCaller({
      url: nas.url,
      admin: account('admin'),
      user: account('alice'),
      other: account('bob'),
    });
    this.alice = nas.accounts.accessToken('alice');
  }

  static async start(options: PracticeNasOptions = {}): Promise<PracticeBench> {
    const storageFolder = await mkdtemp(join(tmpdir(), 'practice-nas-'));
    const clock = new ManualClock();
    const nas = new PracticeNas({ clock, storageFolder, options });
    await nas.start();
    return new PracticeBench(storageFolder, nas, clock);
  }

  async stop(): Promise<void> {
    await this.nas.stop();
    await rm(this.#folder, { recursive: true, force: true });
  }

  /** As alice. */
  get(path: string, headers: Record<string, string> = {}): Promise<Reply> {
    return this.caller.call(`GET ${path}`, { token: this.alice, headers });
  }

  /** Sends a datagram to the NAS's port and waits until it was seen. */
  async sendPacket(payload: Buffer): Promise<void> {
    const socket = createSocket('udp4');
    const [host = '', port = ''] = this.nas.wakeAddress.split(':');
    const before = this.nas.magicPackets.length;
    socket.send(payload, Number(port), host);
    while (this.nas.magicPackets.length === before) await this.clock.advance(0);
    socket.close();
    await this.clock.advance(0);
  }
}
