export { ChangesAsleep } from './changes-asleep.ts';
export { Changes } from './happened-changes.ts';
export { PassedChanges } from './passed-changes.ts';
