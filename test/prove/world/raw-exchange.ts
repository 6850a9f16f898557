import { connect } from 'node:net';

/** The outcome of a request that no well-behaved client would send. */
export type RawAnswer =
  | { readonly kind: 'answer'; readonly status: number; readonly text: string }
  /** Closed without an answer. */
  | { readonly kind: 'cut' }
  | { readonly kind: 'silent' };

const PATIENCE_MS = 15_000;

/**
 * Sends bytes on a connection of their own and reads the answer until it is complete.
 * @param cut closes right after sending, as a client that lost its network
 */
export async function exchange(port: number, bytes: Buffer, cut = false): Promise<RawAnswer> {
  const { promise, resolve } = Promise.withResolvers<RawAnswer>();
  const socket = connect(port, '127.0.0.1');
  const chunks: Buffer[] = [];
  const patience = setTimeout(() => {
    resolve({ kind: 'silent' });
  }, PATIENCE_MS);
  const look = (): boolean => {
    const text = Buffer.concat(chunks)
      .toString('latin1')
      .replace(/^HTTP\/1\.1 100 .*\r\n\r\n/, '');
    const head = /^HTTP\/1\.1 (\d{3})[\s\S]*?\r\n\r\n/.exec(text);
    if (head === null) return false;
    const body = text.slice(head[0].length);
    const length = Number(/content-length: (\d+)/i.exec(head[0])?.[1] ?? Infinity);
    const isWhole = body.length >= length || head[1] === '204' || head[1] === '304';
    if (isWhole) resolve({ kind: 'answer', status: Number(head[1]), text: body });
    return isWhole;
  };
  socket.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
    look();
  });
  socket.on('error', () => undefined);
  socket.on('close', () => {
    if (!look()) resolve({ kind: 'cut' });
  });
  socket.write(bytes, () => {
    if (cut) socket.destroy();
  });
  const answered = await promise;
  clearTimeout(patience);
  socket.destroy();
  return answered;
}

/** Why an answer violates the contract; null if it does not. */
export function contractFault(answered: RawAnswer, allowed: readonly number[]): string | null {
  if (answered.kind === 'silent') return 'no answer';
  if (answered.kind === 'cut') return 'closed without an answer';
  const { status, text } = answered;
  if (!allowed.includes(status)) return `answered ${status}: ${text.slice(0, 200)}`;
  if (status < 400) return null;
  const isError = /^\{"detail":(?:"|\{).*"code":"[a-z_0-9]+"/s.test(text);
  return isError ? null : `${status} in no known form: ${text.slice(0, 200)}`;
}
