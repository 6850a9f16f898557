/** A person as the NAS knows them. Users are keyed by the NAS's id. */
export interface User {
  readonly id: number;
  readonly username: string;
  /** `admin` or another role of the NAS. */
  readonly role: string;
}

/** Who makes a request, once that is sure. */
export interface Caller {
  readonly user: User;
  /** `nas`: the token is the NAS's and may be sent to it. `pi`: it opens this Pi only. */
  readonly kind: 'nas' | 'pi';
  /** The bearer token to show the NAS; null for a Pi token, which never leaves the Pi. */
  readonly nasToken: string | null;
  /** `wake`: a known admin after the grace, who may wake the NAS and see its status, nothing else. */
  readonly scope: 'all' | 'wake';
  /**
   * The device that calls: its refresh token's lineage, else its API key, else its session on the
   * Pi. Left out where none of these is known. Access tokens change every 15 minutes and name none.
   */
  readonly device?: string;
  /** A paired desktop: a refresh brings it another token of the Pi, never one of the NAS. */
  readonly isPaired?: boolean;
  /** Program and address of the request, for where no device is known. */
  readonly agent?: string;
}
