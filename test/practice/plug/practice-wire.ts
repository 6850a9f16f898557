import type { IncomingMessage } from 'node:http';

/** The object in `value`, or an empty one. */
export function asRecordOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
    ? (value as Readonly<Record<string, unknown>>)
    : {};
}

export async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** The session id that a client sends back; empty for none. */
export function sessionIdOf(request: IncomingMessage): string {
  return /TP_SESSIONID=([0-9A-Z]+)/.exec(request.headers.cookie ?? '')?.[1] ?? '';
}

/** An answer over HTTP of one of the plug's protocols. */
export interface PracticeAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: Buffer;
  /** Within a session, as opposed to a handshake. */
  readonly isSealed?: boolean;
}

export const REFUSED: PracticeAnswer = { status: 403, body: Buffer.alloc(0) };

export function jsonAnswer(
  value: unknown,
  headers: Readonly<Record<string, string>> = {},
): PracticeAnswer {
  return {
    status: 200,
    headers: { 'Content-Type': 'application/json', ...headers },
    body: Buffer.from(JSON.stringify(value)),
  };
}

/** A request as the protocols see it. */
export interface PracticeRequest {
  readonly path: string;
  readonly query: URLSearchParams;
  readonly sessionId: string;
  readonly body: Buffer;
}

/** One side of a login protocol. */
export interface PracticeProtocol {
  /** Null for a path it does not serve. */
  answer(request: PracticeRequest): PracticeAnswer | null;
  /** Forgets every session, as after a restart or another client's login. */
  forget(): void;
  readonly logins: number;
}

/** The account and the session rules of the plug. */
export interface PracticeAccess {
  readonly username: string;
  readonly password: string;
  /** The session lifetime it claims, in seconds. */
  readonly timeoutSeconds: number;
  /** Firmware from 1.4.0 on keeps one session: a new login ends the other. */
  readonly isSingleSession: boolean;
  readonly nowMs: () => number;
  readonly call: (request: unknown) => unknown;
  /** What it reveals over HTTP without a login. */
  readonly tpapOffer?: () => object;
}
