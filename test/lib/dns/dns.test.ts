import assert from 'node:assert/strict';
import { DnsName, PiHole } from '../../../nodes/lib/dns/dns.ts';
import { PracticePiHole } from '../../practice/pi-hole/practice-pi-hole.ts';
import { KeptLog } from '../../fakes/kept-log.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';

const NAME = 'baluhost.home.arpa';
const PI = '192.168.178.2';
const NAS = '192.168.178.53';
const MINUTE_MS = 60_000;

for (const version of [6, 5] as const) {
  describe(`A name in a Pi-hole ${version}`, () => {
    let hole: PracticePiHole;
    let server: PiHole;
    let clock: ManualClock;
    let name: DnsName;
    let isAwake: boolean;
    let piAddress: string | null;
    let tell: () => void;
    const log = new KeptLog();
    const { lines } = log;

    const open = (mode: 'sleep' | 'always' = 'sleep'): DnsName =>
      new DnsName({
        ...{ clock, log, server, name: NAME, mode, isAwake: () => isAwake },
        piAddress: () => piAddress,
        nasAddress: () => Promise.resolve(NAS),
        onChange: (listener) => {
          tell = listener;
          return () => undefined;
        },
      });

    beforeEach(async () => {
      lines.length = 0;
      [isAwake, piAddress] = [true, PI];
      hole = new PracticePiHole(version);
      clock = new ManualClock();
      const url = await hole.start();
      server = new PiHole({ url, password: hole.password, fetch });
      name = open();
    });

    afterEach(async () => {
      await name.stop();
      await hole.stop();
    });

    /** Waits until no record is being set. */
    const settled = async (): Promise<void> => {
      await name.isSwitched(MINUTE_MS);
    };

    it('points at the NAS while it is up and at the Pi while it sleeps', async () => {
      name.start();
      await settled();
      assert.deepEqual(hole.records, [`${NAS} ${NAME}`]);
      isAwake = false;
      tell();
      assert.equal(await name.isSwitched(MINUTE_MS), true);
      assert.deepEqual(hole.records, [`${PI} ${NAME}`]);
    });

    it('is set before the old record goes, and never vanishes', async () => {
      hole.records.push(`${NAS} ${NAME}`);
      isAwake = false;
      name.start();
      await settled();
      assert.deepEqual(hole.changes, [`+${PI} ${NAME}`, `-${NAS} ${NAME}`]);
    });

    it('is left alone where it stands as it should, and so are all other names', async () => {
      hole.records.push(`${NAS} ${NAME}`, `${NAS} other.home.arpa`, `${PI} ${NAME}.evil`);
      name.start();
      await settled();
      assert.deepEqual(hole.changes, []);
    });

    it('always points at the Pi where that is wanted', async () => {
      name = open('always');
      name.start();
      await settled();
      assert.deepEqual(hole.records, [`${PI} ${NAME}`]);
    });

    it('is put right within the hour when somebody changed it', async () => {
      name.start();
      await settled();
      hole.records.splice(0, 1, `192.168.178.99 ${NAME}`);
      await clock.advance(60 * MINUTE_MS);
      await settled();
      assert.deepEqual(hole.records, [`${NAS} ${NAME}`]);
    });

    it('is set once a Pi-hole that was ill answers again, and says why it was not', async () => {
      hole.isIll = true;
      name.start();
      await settled();
      assert.match(name.fault ?? '', /Pi-hole did not|Pi-hole refuses/);
      assert.equal(await name.isSwitched(MINUTE_MS), false);
      hole.isIll = false;
      await clock.advance(MINUTE_MS);
      await settled();
      assert.deepEqual(hole.records, [`${NAS} ${NAME}`]);
      assert.equal(name.fault, null);
    });

    it('says that the password is refused, and does not show it', async () => {
      const url = await (async () => {
        const other = new PracticePiHole(version);
        other.password = 'another';
        const at = await other.start();
        return { other, at };
      })();
      server = new PiHole({ url: url.at, password: 'wrong-secret', fetch });
      name = open();
      name.start();
      await settled();
      assert.match(name.fault ?? '', /refuses BALUPI_PIHOLE_PASSWORD/);
      assert.ok(lines.every((line) => !line.includes('wrong-secret')));
      await url.other.stop();
    });

    it('signs in again when Pi-hole has forgotten the session', async () => {
      name.start();
      await settled();
      hole.forgetSessions();
      isAwake = false;
      tell();
      await settled();
      assert.deepEqual(hole.records, [`${PI} ${NAME}`]);
    });

    it('waits while the Pi has no address', async () => {
      [isAwake, piAddress] = [false, null];
      hole.records.push(`${NAS} ${NAME}`);
      name.start();
      await settled();
      assert.deepEqual(hole.records, [`${NAS} ${NAME}`]);
      piAddress = PI;
      await clock.advance(MINUTE_MS);
      await settled();
      assert.deepEqual(hole.records, [`${PI} ${NAME}`]);
    });
  });
}
