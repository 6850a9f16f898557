import { h, type JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { FilesApp } from './files-app.ts';
import { Button, IconButton } from './parts.ts';
import { Name, nameText, problemText, sizeText } from './show.ts';
import type { Upload, UploadState } from './uploads.ts';
import { say, sayCount, written } from './words.ts';

interface Props {
  readonly app: FilesApp;
}

/** What a list can show without becoming one more thing to scroll through. */
const MOST_SHOWN = 60;
/** What somebody wants to see first. */
const RANK: Readonly<Record<UploadState, number>> = {
  failed: 0,
  sending: 1,
  paused: 1,
  waiting: 2,
  done: 3,
};

/** What is being uploaded, below the list. */
export function UploadPanel({ app }: Props): JSX.Element | null {
  const [isOpen, setOpen] = useState(true);
  const { all } = app.uploads;
  if (all.length === 0) return null;
  const shown = [...all]
    .sort((one, other) => RANK[one.state] - RANK[other.state])
    .slice(0, MOST_SHOWN);
  return h(
    'section',
    { class: 'uploads', 'aria-label': say('uploadsFromHere') },
    h(
      'div',
      { class: 'uploads-head' },
      h(Sum, { all }),
      app.uploads.isBusy
        ? null
        : h(Button, { label: say('clear'), onClick: () => app.uploads.clear() }),
      h(IconButton, {
        ...{ icon: isOpen ? ('down' as const) : ('up' as const) },
        label: isOpen ? say('hideList') : say('showList'),
        onClick: () => setOpen(!isOpen),
      }),
    ),
    isOpen
      ? h(
          'ul',
          { class: 'uploads-list', tabIndex: 0, 'aria-label': say('uploadsFromHere') },
          shown.map((upload) => h(Line, { key: upload.key, app, upload })),
        )
      : null,
    isOpen && all.length > shown.length
      ? h('p', { class: 'soft' }, say('andMore', { count: all.length - shown.length }))
      : null,
  );
}

function Sum({ all }: { readonly all: readonly Upload[] }): JSX.Element {
  const done = all.filter(({ state }) => state === 'done').length;
  const failed = all.filter(({ state }) => state === 'failed').length;
  const totalBytes = all.reduce((sum, { file }) => sum + file.size, 0);
  const sentBytes = all.reduce((sum, { sentBytes: sent }) => sum + sent, 0);
  const text = sayCount(all.length, 'doneOf', {
    done: written(done, 0),
  });
  const bad = failed === 0 ? '' : ` · ${sayCount(failed, 'failures')}`;
  return h(
    'div',
    { class: 'sum' },
    h('strong', {}, text),
    h('span', { class: 'soft' }, `${sizeText(sentBytes)} / ${sizeText(totalBytes)}${bad}`),
    h('progress', {
      max: Math.max(1, totalBytes),
      value: sentBytes,
      'aria-label': say('allUploads'),
    }),
  );
}

function Line({ app, upload }: Props & { readonly upload: Upload }): JSX.Element {
  const { key, name, state, sentBytes, file, problem } = upload;
  const name_ = nameText(name);
  const text = problem === null ? say(state) : problemText(problem);
  return h(
    'li',
    { class: `line ${state}` },
    h(
      'div',
      { class: 'names' },
      h('span', { class: 'title' }, h(Name, { name })),
      h('span', { class: 'details' }, `${sizeText(file.size)} · ${text}`),
      state === 'sending' || state === 'paused'
        ? h('progress', { max: Math.max(1, file.size), value: sentBytes, 'aria-label': name_ })
        : null,
    ),
    state === 'failed'
      ? h(Button, { label: say('tryAgain'), onClick: () => app.uploads.retry(key) })
      : null,
    state === 'done'
      ? null
      : h(IconButton, {
          ...{ icon: 'close' as const, label: say('giveUpOf', { name: name_ }) },
          onClick: () => void app.uploads.drop(key),
        }),
  );
}
