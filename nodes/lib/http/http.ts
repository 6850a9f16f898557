export type { Answer } from './answer.ts';
export { answer, refuse } from './answer.ts';
export type { RefusalCode } from './refusals.ts';
