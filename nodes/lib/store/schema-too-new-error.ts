/** The file was written by a newer BaluPi; opening it with this one could lose what it does not know. */
export class SchemaTooNewError extends Error {
  constructor(name: string, found: number, newest: number) {
    super(
      `The ${name} database has schema version ${found}, but this BaluPi knows versions up to ${newest}. ` +
        'Start the newer BaluPi that wrote it, or restore the backup made before the update.',
    );
    this.name = 'SchemaTooNewError';
  }
}
