import type { Log } from '../../../nodes/lib/log/log.ts';

/** An error as a Catch node gets it: `msg.error.code` is for a flow, the sentence for a person. */
export class CodedError extends Error {
  readonly code: string;

  constructor(code: string, sentence: string) {
    super(sentence);
    this.code = code;
  }
}

/** A node, as far as it speaks. */
interface Speaking {
  debug(line: string): void;
  log(line: string): void;
  warn(line: string): void;
  error(line: string): void;
}

/** What a room has to say, in the log of the Node-RED it runs in. */
export function logOf(node: Speaking): Log {
  return {
    debug: (line) => {
      node.debug(line);
    },
    info: (line) => {
      node.log(line);
    },
    warn: (line) => {
      node.warn(line);
    },
    error: (line) => {
      node.error(line);
    },
  };
}
