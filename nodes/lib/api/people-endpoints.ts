import { type Static, Type } from '@sinclair/typebox';
import { endpoint, json } from './endpoint.ts';
import { Credential } from './nas-endpoints.ts';
import { flag, instant, MessageAnswer, nullable, text, words } from './wire.ts';

const TAGS = ['auth'];

export const People = Type.Object(
  {
    users: Type.Array(
      Type.Object({
        username: Type.String(),
        role: text('admin or user.'),
        may_wake: flag('Whether the NAS lets them wake it.'),
        answered_at: instant('When the NAS last answered for them.'),
        credentials: Type.Array(Credential, {
          description: 'What is stored to act for them later, without its secret.',
        }),
        sign_ins: Type.Array(
          Type.Object({
            id: text('Id of the sign-in.'),
            kind: words(['page', 'app', 'desktop', 'editor'], {
              description:
                'page: a browser, at the pages. app: tokens that came through this Pi. desktop: a paired one that goes on with tokens of the Pi. editor: at the editor.',
            }),
            name: nullable(text('What a desktop is called.')),
            since: instant('When it began; of an app its last refresh.'),
            ends_at: nullable(instant('When it ends by itself; null where nothing says.')),
          }),
          { description: 'Where they are signed in here, the newest first.' },
        ),
      }),
      { description: 'For admins everybody known here, for others themselves.' },
    ),
  },
  { title: 'People' },
);
export type People = Static<typeof People>;

export const PEOPLE_ENDPOINTS = [
  endpoint({
    id: 'people',
    method: 'GET',
    path: '/api/people',
    summary: 'Who is known here, what is stored for them, where they are signed in.',
    tags: TAGS,
    access: 'caller',
    responses: { 200: json(People, 'The people.') },
  }),
  endpoint({
    id: 'people-sign-in-end',
    method: 'DELETE',
    path: '/api/people/sign-ins/{id}',
    summary: "End a sign-in here: one's own, for admins anybody's. The NAS is not told.",
    tags: TAGS,
    access: 'caller',
    params: Type.Object({
      id: Type.String({ minLength: 1, maxLength: 64, description: 'Id of the sign-in.' }),
    }),
    responses: { 200: json(MessageAnswer, 'It is over.') },
    refusals: ['not_found'],
  }),
] as const;
