import type { RefusalCode } from '../http/http.ts';
import type { Endpoint } from './endpoint.ts';
import { codesByStatus, mayBeTheirs, NasErrorAnswer, ownRefusalOf } from './refusal-schemas.ts';
import { type HeaderName, headersOf } from './response-headers.ts';
import type { SchemaBook } from './schema-book.ts';

type Json = Record<string, unknown>;

const HEADERS: Readonly<Record<number, readonly HeaderName[]>> = {
  401: ['WWW-Authenticate'],
  416: ['Content-Range'],
  429: ['Retry-After'],
  503: ['Retry-After'],
  504: ['Retry-After'],
};

/**
 * The refusals of all endpoints, as components that the operations refer to: many say no in the
 * same way, and written out for each they would be more than half the document.
 */
export class RefusalAnswers {
  readonly #book: SchemaBook;
  readonly #components = new Map<string, Json>();

  constructor(book: SchemaBook) {
    this.#book = book;
  }

  /** Every way that endpoint says no, by status, each with the codes it may have there. */
  of(endpoint: Endpoint): Json {
    const answers = [...codesByStatus(endpoint)].map(([status, codes]) => {
      const isTheirs = mayBeTheirs(endpoint, status);
      const name = [`refused-${status}`, ...codes, ...(isTheirs ? ['or-the-nas'] : [])].join('-');
      if (!this.#components.has(name)) {
        this.#components.set(name, this.#answer(status, codes, isTheirs));
      }
      return [status, { $ref: `#/components/responses/${name}` }];
    });
    return Object.fromEntries(answers) as Json;
  }

  components(): Json {
    const byName = [...this.#components].sort(([a], [b]) => (a < b ? -1 : 1));
    return Object.fromEntries(byName);
  }

  #answer(status: number, codes: readonly RefusalCode[], isTheirs: boolean): Json {
    const code = { type: 'string', enum: codes, description: 'A stable word.' };
    const ours = {
      allOf: [this.#book.use(ownRefusalOf(status)), { type: 'object', properties: { code } }],
    };
    const schema = isTheirs ? { anyOf: [ours, this.#book.use(NasErrorAnswer)] } : ours;
    return {
      description: `Code: ${codes.join(', ')}.`,
      headers: headersOf(HEADERS[status] ?? []),
      content: { 'application/json': { schema } },
    };
  }
}
