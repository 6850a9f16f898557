/** How every page formats numbers and times (`host/dashboard-files.ts`). */
interface PageWriting {
  readonly language: string;
  readonly locale: string;
  /** Those of the pages, English first. */
  readonly languages: readonly { readonly id: string; readonly name: string }[];
  readonly number: (value: number, digits: number) => string;
  readonly when: (moment: number | string | Date) => string;
}

// eslint-disable-next-line no-var -- the one way to tell of a name that a classic script sets
declare var balupi: PageWriting;

interface Window {
  readonly balupi: PageWriting;
}
