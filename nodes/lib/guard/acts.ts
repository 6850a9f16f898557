import type { ApiMessage } from './call.ts';

/** One thing a node can do with a message. What it returns goes out. */
export type Act<Context> = (context: Context, message: ApiMessage) => unknown;

/**
 * The act a node is set to.
 * @throws Error naming the acts there are, for a node whose flow file was written by hand
 */
export function actOf<Context>(
  acts: Readonly<Record<string, Act<Context>>>,
  op: string | undefined,
): Act<Context> {
  const act = op === undefined || !Object.hasOwn(acts, op) ? undefined : acts[op];
  if (act === undefined) {
    const known = Object.keys(acts).join(', ');
    throw new Error(`This node is set to '${op ?? ''}'; it can: ${known}.`);
  }
  return act;
}
