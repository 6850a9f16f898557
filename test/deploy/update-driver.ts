import { readRelease } from '../../deploy/release-file.ts';
import { type Installation, Updater } from '../../deploy/update.ts';
import { HastyClock } from './hasty-clock.ts';

/** An update in a process of its own that may be killed: `update-driver <installation> <file>`. */
const [installation = '{}', file = ''] = process.argv.slice(2);
const updater = new Updater({
  ...(JSON.parse(installation) as Installation),
  clock: new HastyClock(),
  say: () => undefined,
});
process.exitCode = await updater.bring(await readRelease(file));
