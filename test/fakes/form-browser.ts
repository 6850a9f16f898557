const DOCUMENT = { Accept: 'text/html', 'Sec-Fetch-Dest': 'document' };

export interface Answered {
  readonly status: number;
  /** The target of the redirect; empty if there was none. */
  readonly place: string;
  readonly html: string;
  readonly headers: Headers;
}

/** A browser reduced to what pages without scripts need: it keeps cookies and submits forms. */
export class FormBrowser {
  readonly cookies = new Map<string, string>();
  readonly #url: string;

  constructor(url: string) {
    this.#url = url;
  }

  async get(path: string): Promise<Answered> {
    return await this.#send(path, { headers: DOCUMENT });
  }

  async post(path: string, form: Record<string, string>, origin = this.#url): Promise<Answered> {
    const headers = { Origin: origin };
    return await this.#send(path, { method: 'POST', headers, body: new URLSearchParams(form) });
  }

  async #send(path: string, init: RequestInit): Promise<Answered> {
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const headers = { ...(init.headers as Record<string, string>), Cookie: cookie };
    const answered = await fetch(`${this.#url}${path}`, { ...init, headers, redirect: 'manual' });
    for (const line of answered.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      this.cookies.set(name, value);
    }
    return {
      status: answered.status,
      place: answered.headers.get('location') ?? '',
      html: await answered.text(),
      headers: answered.headers,
    };
  }
}
