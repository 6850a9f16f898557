/** The protocol between thumbnails.ts and picture-program.ts. */

/** One picture that is wanted. */
export interface PictureOrder {
  /** One of the Pi's own files, with a name that no caller chose. */
  readonly file: string;
  readonly sizeBytes: number;
  /** Neither side is to be longer. */
  readonly widthPx: number;
}

/** The first message of the process, once it could load all it needs. */
export const READY = 'WEBP';
/** In front of each picture. */
export const LENGTH_BYTES = 4;
