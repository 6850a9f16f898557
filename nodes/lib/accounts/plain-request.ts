/** All that the strategies read of a request. */
export interface PlainRequest {
  readonly headers: { readonly authorization?: string | undefined };
}
