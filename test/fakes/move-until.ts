import { Move } from '../../deploy/move.ts';

/** A move whose process is killed by SIGKILL after that many steps. */
const [from = '', to = '', settingsFile = '', steps = ''] = process.argv.slice(2);
const service = {
  isActive: () => false,
  isEnabled: () => false,
  stop: () => Promise.resolve(),
  start: () => Promise.resolve(true),
  reload: () => undefined,
};
const dropIn = `${settingsFile}.conf`;
const move = new Move({ from, to, settingsFile, environment: {}, dropIn, service });
let done = 0;
for await (const line of move.run()) {
  process.stdout.write(`${line}\n`);
  done += 1;
  if (done === Number(steps)) process.kill(process.pid, 'SIGKILL');
}
