/**
 * Mocha ignores a promise that fails and is awaited by nobody while a file runs, and one of its
 * worker processes ends by it between two files. With this it fails the test that runs.
 */
export const mochaHooks = {
  beforeAll(): void {
    // Mocha takes all of them away after each file.
    process.removeListener('unhandledRejection', fail);
    process.on('unhandledRejection', fail);
  },
};

function fail(reason: unknown): never {
  throw reason;
}
