import type { IncomingMessage } from 'node:http';

/** Who takes a body as it comes. */
export interface BodyTaker {
  /** Must not throw. */
  take(piece: Buffer): void;
  /** `full`: nothing more for now. `over`: nothing more at all. */
  state(): 'ready' | 'full' | 'over';
  /** Gives the function to call whenever {@link state} may have changed. */
  onWake(wake: () => void): void;
}

/** `gone`: the sender left before the end. `over`: the taker wants no more of it. */
export type Fed = 'whole' | 'gone' | 'over';

/**
 * Hands a request's body to its taker piece by piece, as fast as it is taken. In the end the request
 * is left alone and paused, so that an answer can still go out on it.
 */
export async function feedBody(request: IncomingMessage, taker: BodyTaker): Promise<Fed> {
  const { promise, resolve } = Promise.withResolvers<Fed>();
  const steer = (): void => {
    const state = taker.state();
    if (state === 'over') resolve('over');
    else if (state === 'full') request.pause();
    else if (request.isPaused()) request.resume();
  };
  const onData = (piece: Buffer): void => {
    taker.take(piece);
    steer();
  };
  const onEnd = (): void => {
    resolve('whole');
  };
  // A connection that breaks may say so by an error or by closing alone. What it had sent and
  // nobody has read is lost with it.
  const onLost = (): void => {
    resolve('gone');
  };
  taker.onWake(steer);
  request.on('data', onData);
  request.once('end', onEnd);
  request.once('error', onLost);
  request.once('close', onLost);
  steer();
  const fed = request.destroyed ? 'gone' : await promise;
  taker.onWake(() => undefined);
  request.off('data', onData);
  request.off('end', onEnd);
  request.off('error', onLost);
  request.off('close', onLost);
  request.pause();
  return fed;
}
