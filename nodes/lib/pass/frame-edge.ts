/**
 * Follows the frames of a websocket (RFC 6455, 5.2) in one direction, to know where one ends: only
 * there may another be put in between.
 */
export class FrameEdge {
  /** What of a frame's head is here, at most 14 bytes. */
  #head: number[] = [];
  /** What of a frame's content is still to come. */
  #leftBytes = 0;

  /** Whether what was followed so far ends with a whole frame. */
  get isBetween(): boolean {
    return this.#head.length === 0 && this.#leftBytes === 0;
  }

  follow(block: Uint8Array): void {
    let at = 0;
    while (at < block.length) {
      if (this.#leftBytes > 0) {
        const taken = Math.min(this.#leftBytes, block.length - at);
        this.#leftBytes -= taken;
        at += taken;
        continue;
      }
      this.#head.push(block[at] ?? 0);
      at += 1;
      const contentBytes = contentOf(this.#head);
      if (contentBytes === null) continue;
      this.#leftBytes = contentBytes;
      this.#head = [];
    }
  }
}

/** How much content follows a head, in bytes; null while the head is not whole. */
function contentOf(head: readonly number[]): number | null {
  const [, second] = head;
  if (second === undefined) return null;
  const short = second & 0x7f;
  const lengthBytes = short === 126 ? 2 : short === 127 ? 8 : 0;
  const maskBytes = (second & 0x80) === 0 ? 0 : 4;
  if (head.length < 2 + lengthBytes + maskBytes) return null;
  if (lengthBytes === 0) return short;
  return head.slice(2, 2 + lengthBytes).reduce((sum, byte) => sum * 256 + byte, 0);
}
