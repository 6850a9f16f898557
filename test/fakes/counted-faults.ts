/**
 * Loaded into a BaluPi under test before anything else: tells whoever asks, by a message, how many
 * exceptions were caught by nobody so far.
 */
let faults = 0;
process.on('uncaughtExceptionMonitor', () => {
  faults += 1;
});
process.on('message', () => {
  process.send?.({ faults });
});
