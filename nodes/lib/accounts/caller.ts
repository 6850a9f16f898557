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
}
