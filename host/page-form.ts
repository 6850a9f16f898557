import type { IncomingMessage } from 'node:http';
import { isSameOrigin } from './dashboard-request.ts';
import { readBody } from './read-body.ts';

/** A form's worth of names, passwords and choices. */
const FORM_BYTES = 32 * 1_024;

export type FormRead =
  | { readonly kind: 'form'; readonly form: URLSearchParams }
  /** Another site's page sent it. */
  | { readonly kind: 'foreign' }
  | { readonly kind: 'too_large' }
  | { readonly kind: 'cut' };

/** Reads what a page of ours sent. */
export async function readForm(request: IncomingMessage): Promise<FormRead> {
  if (!isSameOrigin(request)) return { kind: 'foreign' };
  const read = await readBody(request, FORM_BYTES);
  if (read.kind !== 'body') return read;
  return { kind: 'form', form: new URLSearchParams(read.bytes.toString('utf8')) };
}
