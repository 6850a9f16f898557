/** The package only types its entry point. */
declare module 'systeminformation/lib/memory.js' {
  export { mem } from 'systeminformation';
}
