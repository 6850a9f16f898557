export type { Answer } from './answer.ts';
export { answer, refuse } from './answer.ts';
export type { Validators } from './conditional.ts';
export { httpDate, isNotModified, rangeApplies } from './conditional.ts';
export { attachment } from './content-disposition.ts';
export type { ByteRange, RangeRequest } from './range.ts';
export { parseRange } from './range.ts';
export type { RefusalCode } from './refusals.ts';
export { isoSeconds } from './iso-time.ts';
