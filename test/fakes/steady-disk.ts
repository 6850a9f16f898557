/** A disk that takes everything. */
export const STEADY_DISK = {
  refuses: null,
  failed: (): boolean => false,
  look: (): void => undefined,
};
