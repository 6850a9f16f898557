import { type ComponentChildren, h, type JSX } from 'preact';
import type { Refused } from './api.ts';
import type { FilesApp } from './files-app.ts';
import { Button, CloseButton, Note } from './parts.ts';
import { Icon, Name, problemText, sizeText, whenText } from './show.ts';
import type { BrokenOff } from './uploads.ts';
import { say, sayCount, written } from './words.ts';

interface Props {
  readonly app: FilesApp;
}

/** What is to be known before the list is read; nothing where all is well. */
export function Notes({ app }: Props): JSX.Element {
  const { notice, folder, isSignedOut } = app;
  // Where nothing of the folder is here, its problem stands in its place.
  const problem = folder.entries.length > 0 && !isSignedOut ? folder.problem : null;
  return h(
    'div',
    { class: 'notes' },
    isSignedOut ? h(SignedOut, { app }) : null,
    problem === null ? null : h(Note, { isBad: true, role: 'status' }, problemText(problem)),
    h(Asleep, { app }),
    h(Uploads, { app }),
    app.uploads.brokenOff.map((upload) => h(Broken, { key: upload.upload_id, app, upload })),
    notice === null
      ? null
      : h(
          Note,
          { isBad: notice.isBad, role: notice.isBad ? 'alert' : 'status' },
          h('span', { class: 'grow' }, notice.text),
          h(CloseButton, { onClose: () => app.dismiss() }),
        ),
  );
}

function SignedOut({ app }: Props): JSX.Element {
  // In another tab: what is being uploaded here goes on once somebody has signed in there.
  const target = app.uploads.isBusy ? { target: '_blank', rel: 'opener' } : {};
  return h(
    Note,
    { isBad: true, role: 'alert' },
    h('span', { class: 'grow' }, say('signInOver')),
    h('a', { class: 'btn main', href: app.signIn, ...target }, say('signInAgain')),
  );
}

/** The NAS sleeps: what that means here, and the way to wake it for whom it lets. */
function Asleep({ app }: Props): JSX.Element | null {
  const { nas, folder } = app;
  if (nas === null || nas.online) return null;
  const told = toldAgo(folder.ageSeconds);
  const state = app.isWaking ? say('wakingUp') : say('asleep');
  return h(
    Note,
    { role: 'status' },
    h('span', { class: 'grow' }, [state, ...(told === null ? [] : [told])].join(' ')),
    app.isWaking ? h('progress', { 'aria-label': say('wakingUp') }) : h(WakeButton, { app }),
  );
}

export function WakeButton({ app }: Props): JSX.Element | null {
  if (!app.reader.mayWake || app.isWaking || app.isAwake) return null;
  return h(Button, { label: say('wakeTheNas'), onClick: () => void app.wake() });
}

/** @param seconds since the NAS last told of the folder */
function toldAgo(seconds: number | null): string | null {
  if (seconds === null || seconds < 60) return null;
  const when = whenText(Date.now() - seconds * 1_000);
  return say('listOf', { when });
}

/** What of the queue concerns its owner: the page Uploads has the rest. */
function Uploads({ app }: Props): JSX.Element | null {
  const { sync } = app;
  if (sync === null) return null;
  const waiting = sync.pending_uploads + sync.pending_changes;
  const said: string[] = [];
  if (sync.conflicts > 0) {
    said.push(sayCount(sync.conflicts, 'conflictsWait'));
  }
  if (sync.failed_uploads > 0) {
    said.push(sayCount(sync.failed_uploads, 'haveFailed'));
  }
  if (waiting > 0 && !sync.nas_online) {
    said.push(sayCount(waiting, 'goLater'));
  }
  if (said.length === 0) return null;
  return h(
    Note,
    { role: 'status' },
    h('span', { class: 'grow' }, said.join(' ')),
    h('a', { class: 'btn', href: '/dashboard/uploads' }, say('toTheUploads')),
  );
}

/** An upload that a page before this one began. */
function Broken({ app, upload }: Props & { readonly upload: BrokenOff }): JSX.Element {
  const { upload_id, filename, target_path, received_bytes, total_size } = upload;
  const percent = written((100 * received_bytes) / Math.max(1, total_size), 0);
  const onChange = (event: Event): void => {
    const [file] = (event.currentTarget as HTMLInputElement).files ?? [];
    if (file === undefined) return;
    if (app.uploads.brokenOffLike(file) !== upload) {
      app.tell(say('otherFile'), true);
    } else app.upload([{ file, folder: target_path, name: filename }]);
  };
  const field = `again-${upload_id}`;
  return h(
    Note,
    {},
    h(
      'span',
      { class: 'grow' },
      h('strong', {}, h(Name, { name: filename })),
      ' ',
      say('brokeOff', {
        percent,
        size: sizeText(total_size),
      }),
    ),
    h(
      'label',
      { class: 'btn main', for: field },
      say('chooseIt'),
      h('input', { id: field, type: 'file', class: 'hidden', onChange }),
    ),
    h(Button, {
      label: say('giveUp'),
      onClick: () => void app.uploads.dropBrokenOff(upload_id),
    }),
  );
}

/** Why a folder cannot be seen, and what can be done about it. */
export function Problem({
  app,
  problem,
}: Props & { readonly problem: Refused }): JSX.Element | null {
  if (app.isSignedOut) return null;
  const isAsleep = problem.code === 'nas_asleep';
  const ways: ComponentChildren[] = [];
  if (isAsleep) ways.push(h(WakeButton, { app }));
  if (app.place.path !== '') {
    ways.push(
      h(Button, { label: say('toAllFiles'), onClick: () => app.go({ path: '', shows: null }) }),
    );
  }
  if (problem.code === 'refresh_token_now') {
    ways.push(h('a', { class: 'btn main', href: app.signIn }, say('signInAgain')));
  }
  const sentence = isAsleep ? say('folderNeverSeen') : problemText(problem);
  return h(
    'div',
    { class: 'empty', role: 'alert' },
    h(Icon, { name: isAsleep ? 'cloud' : 'file', size: 44 }),
    h('p', {}, sentence),
    h('div', { class: 'acts' }, ways),
  );
}
