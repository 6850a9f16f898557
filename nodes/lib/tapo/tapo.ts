import type { Hints } from '../../../packages/node-red-contrib-balupi-tapo/lib/tapo/tapo.ts';
import { filled, WORDS } from '../words/words.ts';

export { libraryLogins } from '../../../packages/node-red-contrib-balupi-tapo/lib/tapo/connect/connect-login.ts';
export * from '../../../packages/node-red-contrib-balupi-tapo/lib/tapo/tapo.ts';

/** In the words of BaluPi's pages and settings; a language they are not written in gets English. */
export const plugHint: Hints = (topic, language, until = '–') =>
  topic === 'ok' ? '' : filled(WORDS.of(language).hints[topic], { until });
