/** A name server whose own records can be set: IPv4 addresses of exactly one name. */
export interface NameServer {
  /** @throws Error in words where it does not answer or refuses */
  addresses(name: string): Promise<readonly string[]>;
  add(name: string, address: string): Promise<void>;
  remove(name: string, address: string): Promise<void>;
}
