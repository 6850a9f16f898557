import { h, type JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { FilesApp } from './files-app.ts';
import { IconButton } from './parts.ts';
import { Icon } from './show.ts';
import { type Key, say } from './words.ts';

interface Props {
  readonly app: FilesApp;
}

/** The pages of the house, in the order of their menu. */
const PAGES: readonly {
  readonly path: string;
  readonly name: Key;
}[] = [
  { path: '/dashboard/energy', name: 'energy' },
  { path: '/dashboard/nas', name: 'nasAndCache' },
  { path: '/dashboard/files', name: 'files' },
  { path: '/dashboard/uploads', name: 'uploads' },
  { path: '/dashboard/plugs', name: 'plugs' },
  { path: '/dashboard/activity', name: 'activity' },
  { path: '/dashboard/people', name: 'people' },
  { path: '/dashboard/notices', name: 'notifications' },
  { path: '/dashboard/system', name: 'system' },
];

/** From here up the head has room for the menu, as on the other pages. */
const WIDE = matchMedia('(min-width: 1181px)');

/** Whether the menu is in the head; else it is below the thumb. */
export function useIsWide(): boolean {
  const [isWide, setWide] = useState(WIDE.matches);
  useEffect(() => {
    const measure = (): void => setWide(WIDE.matches);
    WIDE.addEventListener('change', measure);
    return () => WIDE.removeEventListener('change', measure);
  }, []);
  return isWide;
}

/** The head that all pages have. */
export function Head({ app, isWide }: Props & { readonly isWide: boolean }): JSX.Element {
  return h(
    'header',
    { class: 'top' },
    h('button', { type: 'button', class: 'skip', onClick: skip }, say('toContent')),
    h('h1', {}, say('files')),
    isWide ? h(Menu, {}) : null,
    h('span', { class: 'user' }, app.reader.username),
    app.reader.isAdmin
      ? h(
          'a',
          {
            class: 'icon-btn',
            href: '/dashboard/settings',
            title: say('settings'),
            'aria-label': say('settings'),
          },
          h(Icon, { name: 'settings' }),
        )
      : null,
    h(Language, {}),
    h(IconButton, { icon: 'look', label: say('lightOrDark'), onClick: changeLook }),
    h(
      'form',
      { method: 'post', action: '/dashboard/sign-out' },
      h(
        'button',
        {
          class: 'icon-btn',
          type: 'submit',
          title: say('signOut'),
          'aria-label': say('signOut'),
        },
        h(Icon, { name: 'leave' }),
      ),
    ),
  );
}

/** Past the menu, for whoever goes by the keyboard. */
function skip(): void {
  document.querySelector('main')?.focus();
}

/** The way to the other pages. */
export function Menu(): JSX.Element {
  const here = useRef<HTMLAnchorElement>(null);
  useEffect(() => here.current?.scrollIntoView({ block: 'nearest', inline: 'center' }), []);
  return h(
    'nav',
    { class: 'menu', 'aria-label': say('pages') },
    PAGES.map(({ path, name }) => {
      const mark = name === 'files' ? { 'aria-current': 'page' as const, ref: here } : {};
      return h('a', { key: path, href: path, ...mark }, say(name));
    }),
  );
}

/** Every language that there is a catalogue for, under the name it gives itself. */
function Language(): JSX.Element {
  const onChange = (event: Event): void => {
    keep('balupi_language', (event.currentTarget as HTMLSelectElement).value);
    location.reload();
  };
  const label = say('language');
  const { language, languages } = window.balupi;
  return h(
    'select',
    { class: 'icon-btn', title: label, 'aria-label': label, value: language, onChange },
    languages.map(({ id, name }) => h('option', { key: id, value: id, lang: id }, name)),
  );
}

function changeLook(): void {
  const root = document.documentElement;
  const isDark =
    root.dataset['look'] === 'dark' ||
    (root.dataset['look'] !== 'light' && matchMedia('(prefers-color-scheme: dark)').matches);
  const look = isDark ? 'light' : 'dark';
  root.dataset['look'] = look;
  keep('balupi_look', look);
}

/** As the other pages keep it. */
function keep(name: string, value: string): void {
  document.cookie = `${name}=${value}; path=/dashboard; samesite=strict; max-age=31536000`;
}
