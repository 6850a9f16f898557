/** What the two sides of thumbnails.ts and picture-program.ts agree on. */

/** One picture that is wanted. */
export interface PictureOrder {
  /** Of the Pi's own, by a name that no caller chose. */
  readonly file: string;
  readonly sizeBytes: number;
  /** Neither side is to be longer. */
  readonly widthPx: number;
}

/** What the process says first, once it could load all it needs. */
export const READY = 'WEBP';
/** In front of each picture. */
export const LENGTH_BYTES = 4;
