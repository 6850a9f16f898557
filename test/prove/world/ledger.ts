import type { PracticeNas } from '../../practice/nas/practice-nas.ts';

/** One version of one path, from its sender's view. */
export interface Sent {
  readonly path: string;
  readonly sha256: string;
  readonly order: number;
  /** The upload's id, once a 200 was read. */
  acknowledgedAs: string | null;
  /** Its sender took it back, and was told that it is dropped. */
  isDropped: boolean;
}

/**
 * What was sent and what was acknowledged. All contents differ, and the versions of one path are
 * sent one after the other, so that every fate can be told apart.
 */
export class Ledger {
  readonly #byPath = new Map<string, Sent[]>();
  #order = 0;

  /** Records that a version is about to be sent. */
  sending(path: string, sha256: string): Sent {
    this.#order += 1;
    const sent: Sent = { path, sha256, order: this.#order, acknowledgedAs: null, isDropped: false };
    this.#byPath.set(path, [...(this.#byPath.get(path) ?? []), sent]);
    return sent;
  }

  /** Records that an upload was taken back before delivery. */
  dropped(id: string): void {
    const sent = this.acknowledged.find(({ acknowledgedAs }) => acknowledgedAs === id);
    if (sent !== undefined) sent.isDropped = true;
  }

  get acknowledged(): readonly Sent[] {
    return [...this.#byPath.values()].flat().filter((sent) => sent.acknowledgedAs !== null);
  }

  get sentCount(): number {
    return this.#order;
  }

  /** Whether any sender ever sent these bytes to this path. */
  wasSent(path: string, sha256: string): boolean {
    return (this.#byPath.get(path) ?? []).some((sent) => sent.sha256 === sha256);
  }

  /** Compares everything with what the NAS was given, once nothing is on its way. */
  async faultsAt(nas: PracticeNas, folder: string): Promise<string[]> {
    const given = nas.contents.filter(({ path }) => path.startsWith(`${folder}/`));
    const faults: string[] = [];
    for (const [path, versions] of this.#byPath) {
      const arrived = given.filter((content) => content.path === path);
      faults.push(
        ...faultsOf(
          path,
          versions,
          arrived.map(({ checksum }) => checksum),
        ),
      );
    }
    for (const { path, sha256 } of await nas.tree()) {
      if (path.startsWith(`${folder}/`) && !this.wasSent(path, sha256)) {
        faults.push(`${path} holds bytes that nobody sent there`);
      }
    }
    return faults;
  }
}

function faultsOf(path: string, versions: readonly Sent[], arrived: readonly string[]): string[] {
  const faults: string[] = [];
  let last = -1;
  for (const checksum of arrived) {
    const at = versions.findIndex(({ sha256 }) => sha256 === checksum);
    if (at === last) faults.push(`${path}: version ${at} came to the NAS twice`);
    else if (at < last) faults.push(`${path}: version ${at} came after version ${last}`);
    last = Math.max(last, at);
  }
  versions.forEach(({ sha256, acknowledgedAs, isDropped }, at) => {
    if (isDropped && arrived.includes(sha256)) {
      faults.push(`${path}: version ${at} was dropped and came to the NAS`);
    }
    if (!isDropped && acknowledgedAs !== null && !arrived.includes(sha256)) {
      faults.push(`${path}: version ${at} was acknowledged and never came to the NAS`);
    }
  });
  return faults;
}
