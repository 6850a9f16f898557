import { createHash } from 'node:crypto';
import { filled, type Language, WORDS } from '../nodes/lib/words/words.ts';
import { HEAD_OF_ALL } from './dashboard-files.ts';

const STYLE = `
:root{color-scheme:light dark;--page:#eef1f5;--card:#fff;--text:#1c2733;--soft:#5b6875;--line:#cbd3dc;--main:#0b6e4f;--on-main:#fff;--bad:#b3261e}
@media (prefers-color-scheme:dark){:root{--page:#11161c;--card:#1a2129;--text:#e4e9ee;--soft:#9aa7b4;--line:#36414d;--main:#3ecf9a;--on-main:#06231a;--bad:#ff8a80}}
*{box-sizing:border-box}
body{margin:0;min-height:100vh;display:grid;place-items:center;padding:16px;background:var(--page);color:var(--text);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{width:100%;max-width:380px;background:var(--card);border:1px solid var(--line);border-radius:14px;padding:28px}
h1{margin:0;font-size:22px;letter-spacing:-.01em}
h1 span{color:var(--main)}
p{margin:8px 0 20px;color:var(--soft)}
p.bad{margin:0 0 16px;color:var(--bad)}
label{display:block;margin:0 0 14px;font-size:14px;color:var(--soft)}
input{display:block;width:100%;margin-top:4px;padding:10px 12px;font:inherit;color:var(--text);background:var(--page);border:1px solid var(--line);border-radius:8px}
input:focus-visible,button:focus-visible,a:focus-visible{outline:2px solid var(--main);outline-offset:2px}
button{width:100%;margin-top:6px;padding:11px;font:inherit;font-weight:600;color:var(--on-main);background:var(--main);border:0;border-radius:8px;cursor:pointer}
a{display:inline-block;margin-top:16px;color:var(--main)}
main.wide{max-width:560px}
h2{margin:22px 0 4px;font-size:19px;letter-spacing:-.01em}
h2+p{margin-top:0}
.step{margin:14px 0 -14px;font-size:13px}
select{display:block;width:100%;margin-top:4px;padding:10px 12px;font:inherit;color:var(--text);background:var(--page);border:1px solid var(--line);border-radius:8px}
select:focus-visible{outline:2px solid var(--main);outline-offset:2px}
fieldset{margin:0 0 14px;padding:12px 14px 0;border:1px solid var(--line);border-radius:10px;min-width:0}
legend{padding:0 6px;font-size:14px;color:var(--soft)}
label.row{display:flex;align-items:center;gap:10px;color:var(--text)}
label.row input{width:18px;height:18px;margin:0;flex:none;accent-color:var(--main)}
button.other{color:var(--text);background:transparent;border:1px solid var(--line)}
dl{margin:0 0 16px;display:grid;grid-template-columns:auto 1fr;gap:4px 14px}
dt{color:var(--soft)}
dd{margin:0;overflow-wrap:anywhere}
@media (max-width:440px){dl{grid-template-columns:1fr;gap:0}dd{margin-bottom:6px}}
.good,.note{padding:10px 12px;border-radius:10px;background:var(--page);color:var(--text);border-left:4px solid var(--main)}
.note{border-left-color:var(--soft)}
ul.list{list-style:none;margin:18px 0 0;padding:0}
ul.list li{display:flex;flex-wrap:wrap;align-items:center;gap:4px 14px;padding:12px 0;border-top:1px solid var(--line)}
ul.list li div{flex:1 1 200px;min-width:0;overflow-wrap:anywhere}
ul.list a{margin:0}
ul.list b{display:block;font-weight:600}
.links a{margin-right:18px}
hr{margin:24px 0 8px;border:0;border-top:1px solid var(--line)}
`;

/**
 * Polls until what the page waits for is there: a browser does not retry by itself where nobody
 * listens, and reloading the page would lose the reader's place. `start`: BaluPi has restarted, which
 * takes a fast machine less than a second; what no look fell into is noticed much later. `page`: this
 * address answers with something other than a waiting page.
 */
const WAIT_SCRIPT = `(() => {
  if (document.body.dataset.waits === 'page') {
    const look = () => fetch(location.href, { cache: 'no-store', headers: { Accept: 'text/html' } }).then(
      async (answer) => {
        if (answer.status === 503 || (await answer.text()).includes('data-waits=')) return;
        location.replace(location.href);
      },
    ).catch(() => undefined);
    setInterval(look, 4000);
    return;
  }
  const next = document.querySelector('a[data-next]').href;
  let isGone = false;
  const look = () => fetch('/api/ping', { cache: 'no-store' }).then(
    (answer) => { if (isGone && answer.ok) location.replace(next); else if (!answer.ok) isGone = true; },
    () => { isGone = true; },
  );
  setInterval(look, 250);
  setTimeout(() => { isGone = true; }, 15000);
})();
`;

const hashOf = (text: string): string => createHash('sha256').update(text).digest('base64');

/** Only this style and a form to this address; no script. */
export const PAGE_CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  `style-src 'sha256-${hashOf(STYLE)}'`,
  "img-src 'self'",
  "manifest-src 'self'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join('; ');

/** Of a waiting page: also its one script and the requests that makes. */
export const WAITING_CONTENT_SECURITY_POLICY = [
  PAGE_CONTENT_SECURITY_POLICY,
  `script-src 'sha256-${hashOf(WAIT_SCRIPT)}'`,
  "connect-src 'self'",
].join('; ');

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

export function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (sign) => ESCAPES[sign] ?? sign);
}

export interface Frame {
  readonly language: Language;
  readonly body: string;
  /** Where the page goes on to by itself. */
  readonly refresh?: string;
  /** In place of "Sign in". */
  readonly title?: string;
  readonly isWide?: boolean;
  /** `start`: for a restart, then on to its `a[data-next]`; `page`: for its own address. */
  readonly waits?: 'start' | 'page';
}

export function page({ language, body, refresh, title, isWide = false, waits }: Frame): string {
  const meta =
    refresh === undefined ? '' : `<meta http-equiv="refresh" content="${escaped(refresh)}">`;
  return `<!doctype html>
<html lang="${language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
${meta}<title>BaluPi – ${escaped(title ?? WORDS.of(language).signIn.title)}</title>
${HEAD_OF_ALL}
<style>${STYLE}</style>
</head>
<body${waits === undefined ? '' : ` data-waits="${waits}"`}><main${isWide ? ' class="wide"' : ''}><h1>Balu<span>Pi</span></h1>${body}</main>${waits === undefined ? '' : `<script>${WAIT_SCRIPT}</script>`}</body>
</html>
`;
}

export function fault(text: string | null): string {
  return text === null ? '' : `<p class="bad" role="alert">${escaped(text)}</p>`;
}

export function hidden(name: string, value: string): string {
  return `<input type="hidden" name="${name}" value="${escaped(value)}">`;
}

export interface SignInShown {
  readonly language: Language;
  /** What went wrong before, in the reader's language. */
  readonly fault: string | null;
  /** Where to go afterwards. */
  readonly next: string;
  readonly username?: string;
  /** Whether this BaluPi is not set up yet, and can be from here. */
  readonly isSetupOpen?: boolean;
}

/** Name and password. */
export function signInPage(shown: SignInShown): string {
  const { language, fault: problem, next, username = '', isSetupOpen = false } = shown;
  const words = WORDS.of(language).signIn;
  const guide = `<hr><p>${escaped(words.notSetUp)}</p><a href="/dashboard/setup">${escaped(words.stepByStep)}</a>`;
  const body = `<p>${escaped(words.lead)}</p>${fault(problem)}
<form method="post" action="/dashboard/sign-in">${hidden('next', next)}
<label>${escaped(words.username)}<input name="username" value="${escaped(username)}" autocomplete="username" autocapitalize="none" spellcheck="false" maxlength="128" required autofocus></label>
<label>${escaped(words.password)}<input name="password" type="password" autocomplete="current-password" maxlength="1024" required></label>
<button>${escaped(words.signIn)}</button></form>${isSetupOpen ? guide : ''}`;
  return page({ language, body });
}

/** The second factor; `step` identifies the first one. */
export function codePage(shown: SignInShown & { readonly step: string }): string {
  const words = WORDS.of(shown.language).signIn;
  const body = `<p>${escaped(words.codeLead)}</p>${fault(shown.fault)}
<form method="post" action="/dashboard/sign-in">${hidden('next', shown.next)}${hidden('step', shown.step)}
<label>${escaped(words.code)}<input name="code" inputmode="numeric" autocomplete="one-time-code" maxlength="32" required autofocus></label>
<button>${escaped(words.goOn)}</button></form>
<a href="/dashboard/sign-in?next=${encodeURIComponent(shown.next)}">${escaped(words.startOver)}</a>`;
  return page({ language: shown.language, body });
}

/** For a known admin after the offline grace, who may do nothing else. */
export function wakePage(language: Language, ticket: string): string {
  const words = WORDS.of(language).signIn;
  const body = `<p>${escaped(words.wakeLead)}</p>
<form method="post" action="/dashboard/wake">${hidden('ticket', ticket)}
<button>${escaped(words.wake)}</button></form>`;
  return page({ language, body });
}

/** A sentence and the way back to the sign-in. */
export function sentencePage(language: Language, sentence: string): string {
  const body = `<p>${escaped(sentence)}</p>
<a href="/dashboard/sign-in">${escaped(WORDS.of(language).signIn.signIn)}</a>`;
  return page({ language, body });
}

/** While flows start. */
export function startingPage(language: Language): string {
  const body = `<p role="status">${escaped(WORDS.of(language).signIn.starting)}</p>`;
  return page({ language, body, waits: 'page' });
}

/** For a browser that came for the NAS's own pages; goes on to them once the NAS is up. */
export function asleepPage(language: Language, since: string): string {
  const words = WORDS.of(language).signIn;
  const body = `<p>${escaped(filled(words.asleepSince, { when: since }))}</p><p>${escaped(words.asleepWorks)}</p>
<a href="/dashboard">${escaped(words.asleepWake)}</a>`;
  return page({ language, body, waits: 'page' });
}

/**
 * Requests the same address again, this time from our own page: a browser that follows another site's
 * link withholds strict cookies.
 */
export function onceMorePage(language: Language, next: string): string {
  return page({ language, body: '', refresh: `0;url=${next}` });
}
