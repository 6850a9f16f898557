/** `2026-02-22T14:30:00Z`, the contract's form of a time. */
export function isoSeconds(atMs: number): string {
  return `${new Date(atMs).toISOString().slice(0, 19)}Z`;
}
