import type { CopyTicket, QueuedFile } from '../cache/cache.ts';
import type { LocatedFile } from '../files/files.ts';
import type { ApiMessage, GuardedRequest } from './call.ts';

/** What a download message carries between its nodes: tickets, never bytes. */
export type FileTicket =
  | { readonly kind: 'copy'; readonly ticket: CopyTicket }
  | { readonly kind: 'queued'; readonly path: string; readonly file: QueuedFile }
  /** It left the queue for the NAS between the look and the reading. */
  | { readonly kind: 'delivered'; readonly path: string }
  | { readonly kind: 'missing'; readonly file: LocatedFile };

export interface FileMessage extends ApiMessage {
  file?: FileTicket;
}

/**
 * The raw request of a message, for nodes that stream.
 * @throws Error when the message did not come from an `http in` node
 */
export function requestOf(message: ApiMessage): GuardedRequest {
  if (message.req === undefined) {
    throw new Error('This message came from no API request; wire the node behind an http in node.');
  }
  return message.req;
}
