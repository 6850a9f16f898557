/**
 * The file was written by another BaluPi than this one can go on from: a newer one, whose file it
 * could lose something of, or one from before the first release.
 */
export class SchemaVersionError extends Error {
  constructor(name: string, found: number, known: { readonly oldest: number; newest: number }) {
    super(
      `The ${name} database has schema version ${found}, but this BaluPi knows versions ` +
        `${known.oldest} to ${known.newest}. ` +
        (found > known.newest
          ? 'Start the newer BaluPi that wrote it, or restore the backup made before the update.'
          : 'It was written before the first release; start the BaluPi that wrote it.'),
    );
    this.name = 'SchemaVersionError';
  }

  /**
   * @param steps of one database, in order
   * @param found what the file says; 0 for a file without tables
   * @returns null where this BaluPi can open it
   */
  static of(
    name: string,
    found: number,
    steps: readonly { readonly version: number }[],
  ): SchemaVersionError | null {
    const [oldest, newest] = [steps[0]?.version ?? 0, steps.at(-1)?.version ?? 0];
    if (found === 0 || (found >= oldest && found <= newest)) return null;
    return new SchemaVersionError(name, found, { oldest, newest });
  }
}
