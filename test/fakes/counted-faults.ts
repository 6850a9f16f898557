/**
 * Loaded before a BaluPi under test: reports on request, by a message, how many exceptions went
 * uncaught so far.
 */
let faults = 0;
process.on('uncaughtExceptionMonitor', () => {
  faults += 1;
});
process.on('message', () => {
  process.send?.({ faults });
});
