import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

/**
 * Loaded before BaluPi: adds a catalogue of a third language as a translator begins one, with some
 * words of each section.
 */
const FRENCH = {
  language: 'Français',
  signIn: { signIn: 'Se connecter' },
  files: { files: 'Fichiers' },
  events: { brief_conflict: 'Un conflit attend.' },
  csv: { energy: 'energie_kwh', between: ';' },
  hints: { no_credentials: 'Aucun compte TP-Link.' },
};

const isOfWords = (place: unknown, end: string): boolean =>
  String(place).endsWith(`/nodes/lib/words/${end}`);

const { readdirSync, readFileSync } = fs;
function withFrench(...args: Parameters<typeof readdirSync>): unknown {
  const names = readdirSync(...args);
  return isOfWords(args[0], '') ? [...names, 'fr.json'] : names;
}
function inFrench(...args: Parameters<typeof readFileSync>): unknown {
  return isOfWords(args[0], 'fr.json') ? JSON.stringify(FRENCH) : readFileSync(...args);
}
Reflect.set(fs, 'readdirSync', withFrench);
Reflect.set(fs, 'readFileSync', inFrench);
syncBuiltinESMExports();
