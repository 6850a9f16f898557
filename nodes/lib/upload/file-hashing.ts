/** SHA-256 of a file that is still being written, made by somebody who reads it as it grows. */
export interface FollowedHash {
  /** Written, but not hashed yet. */
  readonly behindBytes: number;
  /** The file holds that many bytes by now. They may be hashed. */
  extend(sizeBytes: number): void;
  /** Resolves when little is left to do, or at the end. */
  caughtUp(): Promise<void>;
  /**
   * The hash of the first `sizeBytes` bytes, in hex. Ends the following.
   * @throws what reading the file threw
   */
  finish(sizeBytes: number): Promise<string>;
  /** Ends the following where no hash is wanted any more. Harmless after the end. */
  drop(): void;
}

/** Hashes beside the event loop. */
export interface FileHashing {
  /** @param file exists and only ever grows */
  follow(file: string): FollowedHash;
  /** What is still being hashed fails. */
  stop(): Promise<void>;
}
