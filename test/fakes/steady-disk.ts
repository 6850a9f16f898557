/** A disk that never fails. */
export const STEADY_DISK = {
  refuses: null,
  failed: (): boolean => false,
  look: (): void => undefined,
};
