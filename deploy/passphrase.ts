import { readFileSync } from 'node:fs';
import { UsageFault } from './usage-fault.ts';

const ENTER = /[\r\n]/;
const [CANCEL, BACKSPACE, DELETE] = ['\u0003', '\b', '\u007f'];

/** What the file of BACKUP_PASSPHRASE_FILE holds; one line feed at its end is the editor's. */
export function passphraseIn(file: string): string {
  let text: string;
  try {
    text = readFileSync(file, 'utf8').replace(/\r?\n$/, '');
  } catch (error) {
    const { code = 'unknown' } = error as NodeJS.ErrnoException;
    throw new UsageFault(`The file of BALUPI_BACKUP_PASSPHRASE_FILE cannot be read (${code}).`);
  }
  if (text === '') throw new UsageFault('The file of BALUPI_BACKUP_PASSPHRASE_FILE is empty.');
  return text;
}

/** @returns null where nobody sits at a terminal, or who does wants none */
export async function askNewPassphrase(): Promise<string | null> {
  if (!process.stdin.isTTY) return null;
  const first = await askPassphrase('Passphrase (empty: leave keys, credentials and uploads out)');
  if (first === null || first === '') return null;
  if ((await askPassphrase('The same again')) === first) return first;
  throw new UsageFault('These were two different passphrases.');
}

/** Asks without showing what is typed. @returns null where nobody sits at a terminal */
export async function askPassphrase(question: string): Promise<string | null> {
  const { stdin, stderr } = process;
  if (!stdin.isTTY) return null;
  stderr.write(`${question}: `);
  stdin.setRawMode(true);
  stdin.setEncoding('utf8');
  // The question before this one has paused it.
  stdin.resume();
  try {
    let typed = '';
    // Listened to and not iterated: an iterator would end the terminal with its first answer.
    for (;;) {
      const { promise, resolve } = Promise.withResolvers<string>();
      stdin.once('data', resolve);
      for (const letter of await promise) {
        if (letter === CANCEL) throw new UsageFault('Nothing was done.');
        if (ENTER.test(letter)) return typed;
        typed = letter === BACKSPACE || letter === DELETE ? typed.slice(0, -1) : typed + letter;
      }
    }
  } finally {
    stdin.setRawMode(false);
    stdin.pause();
    stderr.write('\n');
  }
}
