import type { GivenCode, SetupRecord, SetupStore } from '../../nodes/lib/setup/setup.ts';
import { keepFile, keptText } from '../kept-settings.ts';

const FILE = 'setup.json';
const NOTHING: SetupRecord = { isOver: false, given: null };

/** The progress of the setup, stored in the data folder. The code is as secret as its key. */
export class SetupFile implements SetupStore {
  readonly #folder: string;

  /** @param folder DATA_DIR; may not exist yet */
  constructor(folder: string) {
    this.#folder = folder;
  }

  read(): SetupRecord {
    const text = keptText(this.#folder, FILE);
    return text === null ? NOTHING : recordIn(text);
  }

  write(record: SetupRecord): void {
    keepFile(this.#folder, FILE, `${JSON.stringify(record)}\n`);
  }
}

/** A damaged record has no code, so that a new one is made; it never reopens a finished setup. */
function recordIn(text: string): SetupRecord {
  try {
    const { isOver, given } = JSON.parse(text) as Partial<SetupRecord>;
    if (isOver === true) return { isOver, given: null };
    return { isOver: false, given: isGiven(given) ? given : null };
  } catch (error) {
    if (error instanceof SyntaxError) return NOTHING;
    throw error;
  }
}

function isGiven(value: unknown): value is GivenCode {
  if (typeof value !== 'object' || value === null) return false;
  const { code, seenAtMs, tries, browsers } = value as Partial<Record<keyof GivenCode, unknown>>;
  const isSeen = seenAtMs === null || typeof seenAtMs === 'number';
  const isListed = Array.isArray(browsers) && browsers.every((one) => typeof one === 'string');
  return typeof code === 'string' && isSeen && typeof tries === 'number' && isListed;
}
