import { type Static, Type } from '@sinclair/typebox';
import { endpoint, json } from './endpoint.ts';
import { count, instant, MessageAnswer, nullable, text, UPLOAD_ID, words } from './wire.ts';

const TAGS = ['uploads'];
const DEVICE = Type.Object({
  device_id: Type.String({
    minLength: 1,
    maxLength: 128,
    description: "What the app calls its device; the queue is the caller's whatever it is.",
  }),
});
export const DeviceQueueItem = Type.Object(
  {
    id: text('Id of the upload.'),
    device_id: text('As the app asked.'),
    folder_id: Type.Null({ description: 'The Pi knows no folders of phones here.' }),
    filename: Type.String(),
    remote_path: text('Where it goes on the NAS.'),
    file_size: count('Size in bytes.'),
    file_size_bytes: count('The same.'),
    uploaded_bytes: count('How many bytes the NAS has.'),
    status: words(['pending', 'uploading', 'completed', 'failed'], {
      description: "How it stands, in the app's words.",
    }),
    error_message: nullable(text('What went wrong; null where nothing did.')),
    retry_count: count('How often it was tried.'),
    created_at: instant('When the Pi accepted it.'),
  },
  { title: 'DeviceQueueItem' },
);
export type DeviceQueueItem = Static<typeof DeviceQueueItem>;

export const DeviceQueue = Type.Object(
  { items: Type.Array(DeviceQueueItem, { description: 'What is not finished, oldest first.' }) },
  { title: 'DeviceQueue' },
);
export type DeviceQueue = Static<typeof DeviceQueue>;

/** The app's own upload queue, which shows ours. */
export const DEVICE_QUEUE_ENDPOINTS = [
  endpoint({
    id: 'mobile-upload-queue',
    method: 'GET',
    path: '/api/mobile/upload/queue/{device_id}',
    publishedPath: '/api/mobile/upload/queue/{id}',
    summary: "The caller's queue in BaluHost's shape.",
    tags: TAGS,
    access: 'caller',
    params: DEVICE,
    responses: { 200: json(DeviceQueue, 'The queue.') },
  }),
  endpoint({
    id: 'mobile-upload-queue-retry',
    method: 'POST',
    path: '/api/mobile/upload/queue/{id}/retry',
    summary: 'Try an upload again now, as the app says it.',
    tags: TAGS,
    access: 'caller',
    params: UPLOAD_ID,
    responses: { 200: json(MessageAnswer, 'It is due.') },
    refusals: ['not_found', 'conflict'],
  }),
  endpoint({
    id: 'mobile-upload-queue-drop',
    method: 'DELETE',
    path: '/api/mobile/upload/queue/{id}',
    summary: 'Drop an upload and its bytes, as the app says it.',
    tags: TAGS,
    access: 'caller',
    params: UPLOAD_ID,
    responses: { 200: json(MessageAnswer, 'It is dropped.') },
    refusals: ['not_found', 'conflict'],
  }),
] as const;
