import { ACCOUNT_EXAMPLES } from './account-examples.ts';
import { ENERGY_EXAMPLES } from './energy-examples.ts';
import type { Examples } from './example.ts';
import { FILE_EXAMPLES } from './file-examples.ts';
import { NOTICE_EXAMPLES } from './notice-examples.ts';
import { PLUG_EXAMPLES } from './plug-examples.ts';
import { SYSTEM_EXAMPLES } from './system-examples.ts';

/** One call of each endpoint, by its id; published, and held against the descriptions by a test. */
export const EXAMPLES: Examples = {
  ...SYSTEM_EXAMPLES,
  ...ACCOUNT_EXAMPLES,
  ...FILE_EXAMPLES,
  ...ENERGY_EXAMPLES,
  ...PLUG_EXAMPLES,
  ...NOTICE_EXAMPLES,
};
