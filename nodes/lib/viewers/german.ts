/** What the pages say, in German. The English words are their own keys. */
export const GERMAN: ReadonlyMap<string, string> = new Map([['Energy', 'Energie']]);
