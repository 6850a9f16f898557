import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ManualClock } from '../fakes/manual-clock.ts';
import { describeAccounts } from './contract/accounts-contract.ts';
import { describeChanges } from './contract/changes-contract.ts';
import { describeFiles } from './contract/files-contract.ts';
import { NasCaller, type Account, type NasUnderTest } from './contract/nas-under-test.ts';
import { describePhones } from './contract/phones-contract.ts';
import { describeRouting } from './contract/routing-contract.ts';
import { describeSharing } from './contract/sharing-contract.ts';
import { PRACTICE_USERS } from './nas/options.ts';
import { PracticeNas } from './nas/practice-nas.ts';

/**
 * What BaluPi relies on in BaluHost 1.38. It needs an address and three accounts, nothing of the
 * practice NAS, so it can be pointed at a real one by hand; then the accounts are real, and
 * everything is made in folders of its own, which it removes.
 */
function describeNasContract(name: string, start: () => Promise<NasUnderTest>): void {
  describe(name, () => {
    let caller: NasCaller;
    const current = (): NasCaller => caller;

    before(async () => {
      caller = new NasCaller(await start());
    });

    describeRouting(current);
    describeAccounts(current);
    describeFiles(current);
    describeChanges(current);
    describePhones(current);
    describeSharing(current);
  });
}

function practiceAccount(username: string): Account {
  const user = PRACTICE_USERS.find((one) => one.username === username);
  if (user === undefined) throw new Error(`no practice user ${username}`);
  return { username, password: user.password };
}

describe('BaluHost 1.38', () => {
  let folder: string;
  let nas: PracticeNas;

  after(async () => {
    await nas.stop();
    await rm(folder, { recursive: true, force: true });
  });

  describeNasContract('as the practice NAS plays it', async () => {
    folder = await mkdtemp(join(tmpdir(), 'practice-nas-'));
    nas = new PracticeNas({ clock: new ManualClock(), storageFolder: folder });
    await nas.start();
    return {
      url: nas.url,
      admin: practiceAccount('admin'),
      user: practiceAccount('alice'),
      other: practiceAccount('bob'),
    };
  });
});
