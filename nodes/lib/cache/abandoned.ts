/** A file that nobody reads any more is fetched to its end when at most this much is missing. */
const WORTH_FINISHING_BYTES = 64 * 1024 * 1024;

/** Whether the rest of a file is fetched though its last reader left: little of it, or half. */
export function isWorthFinishing(sizeBytes: number, missingBytes: number): boolean {
  return missingBytes <= WORTH_FINISHING_BYTES || missingBytes <= sizeBytes - missingBytes;
}
