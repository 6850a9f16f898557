/** The package has types for its door alone. */
declare module 'systeminformation/lib/memory.js' {
  export { mem } from 'systeminformation';
}
