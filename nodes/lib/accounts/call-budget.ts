/** The few calls a minute that may reach the NAS although no caller waits for them (contract 6). */
export interface CallBudget {
  /** @returns whether one more such call may be made now; it then counts as made */
  take(kind: 'other'): boolean;
  /** One was made that a caller waited for; the NAS counts it as well. */
  made(): void;
}
