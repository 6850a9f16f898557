/**
 * Mocha ignores a promise that rejects unawaited while a file runs, and one of its worker processes
 * ends because of it between two files. With this it fails the running test.
 */
export const mochaHooks = {
  beforeAll(): void {
    // Mocha removes all listeners after each file.
    process.removeListener('unhandledRejection', fail);
    process.on('unhandledRejection', fail);
  },
};

function fail(reason: unknown): never {
  throw reason;
}
