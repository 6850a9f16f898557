/** Wrong use of the command `balupi`, in words for whoever typed it. */
export class UsageFault extends Error {}
