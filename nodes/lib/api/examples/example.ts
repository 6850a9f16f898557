/** What one call of an endpoint may hold; every value is of the practice house. */
export interface Example {
  /** The JSON of the request, or the fields of its form. */
  readonly body?: unknown;
  /** What comes back, by media type; JSON where it is the only one. */
  readonly answer: unknown;
  /** The same as text, for those that answer more than JSON. */
  readonly texts?: Readonly<Record<string, string>>;
}

export type Examples = Readonly<Record<string, Example>>;
