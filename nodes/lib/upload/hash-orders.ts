/** What the hashing thread is told. Orders for one file come in the order they are given. */
export type HashOrder =
  | { readonly kind: 'follow'; readonly id: number; readonly file: string }
  | { readonly kind: 'extend' | 'finish'; readonly id: number; readonly sizeBytes: number }
  | { readonly kind: 'drop'; readonly id: number };

/** What the hashing thread tells. `code` is the system's word, null where it was none of its. */
export type HashReport =
  | { readonly kind: 'progress'; readonly id: number; readonly doneBytes: number }
  | { readonly kind: 'hash'; readonly id: number; readonly sha256: string }
  | { readonly kind: 'fault'; readonly id: number; readonly code: string | null };
