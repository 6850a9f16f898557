import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { ServiceManager } from '../../host/service-manager.ts';
import { KeptLog } from '../fakes/kept-log.ts';
import { ManualClock } from '../fakes/manual-clock.ts';

/** A socket like systemd's, which Node.js cannot open: prints the sender of each datagram. */
const LISTENER = `
  use Socket; $| = 1;
  socket(my $s, AF_UNIX, SOCK_DGRAM, 0) or die; bind($s, pack_sockaddr_un($ARGV[0])) or die;
  print "listening\\n";
  for (1..2) { recv($s, my $text, 4096, 0); $text =~ s/\\n/ /g; print "$text\\n"; }
`;

function managed(environment: Record<string, string>): {
  readonly manager: ServiceManager;
  readonly clock: ManualClock;
  readonly said: string[];
} {
  const clock = new ManualClock();
  const said: string[] = [];
  const send = (fileDescriptor: number, text: string): void => {
    said.push(`${fileDescriptor}: ${text}`);
  };
  return {
    manager: new ServiceManager({ clock, log: new KeptLog(), environment, send }),
    clock,
    said,
  };
}

describe('What systemd is told', () => {
  it('that the service is ready, lives three times a period, and stops', async () => {
    const { manager, clock, said } = managed({ SD_NOTIFY_FD: '5', WATCHDOG_USEC: '60000000' });
    manager.ready('Serves http://pi:8000');
    await clock.advance(40_000);
    manager.stopping();
    await clock.advance(120_000);
    assert.deepEqual(said, [
      '5: READY=1\nSTATUS=Serves http://pi:8000',
      '5: WATCHDOG=1',
      '5: WATCHDOG=1',
      '5: WATCHDOG=1',
      '5: STOPPING=1',
    ]);
  });

  it('nothing where no systemd is, and no signs of life where it wants none', async () => {
    const alone = managed({ WATCHDOG_USEC: '60000000' });
    alone.manager.ready('x');
    await alone.clock.advance(60_000);
    assert.deepEqual(alone.said, []);
    const unwatched = managed({ SD_NOTIFY_FD: '5' });
    unwatched.manager.ready('x');
    await unwatched.clock.advance(60_000);
    assert.deepEqual(unwatched.said, ['5: READY=1\nSTATUS=x']);
  });

  it('through the socket that its start opened, by the same process', async function () {
    if (spawnSync('perl', ['-e', '1']).status !== 0) this.skip();
    const folder = mkdtempSync(join(tmpdir(), 'balupi-notify-'));
    const address = join(folder, 'notify');
    const listener = spawn('perl', ['-e', LISTENER, address]);
    let heard = '';
    listener.stdout.on('data', (chunk: Buffer) => (heard += chunk.toString()));
    await once(listener.stdout, 'data');
    const program = `
      import { sendDatagram } from ${JSON.stringify(resolve('dist', 'host', 'service-manager.js'))};
      const fd = Number(process.env.SD_NOTIFY_FD);
      sendDatagram(fd, 'READY=1');
      sendDatagram(fd, 'MAINPID=' + process.pid);
    `;
    const node = [process.execPath, '--input-type=module', '-e', program];
    const started = spawn('perl', [join('deploy', 'with-notify.pl'), ...node], {
      env: { ...process.env, NOTIFY_SOCKET: address },
    });
    await once(listener, 'close');
    assert.equal(heard, `listening\nREADY=1\nMAINPID=${started.pid}\n`);
    rmSync(folder, { recursive: true });
  });
});
