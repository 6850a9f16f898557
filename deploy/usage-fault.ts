/** Wrong use of the command `balupi`; the message is for its user. */
export class UsageFault extends Error {}
