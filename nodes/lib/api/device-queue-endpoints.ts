import { type Static, Type } from '@sinclair/typebox';
import { endpoint, json } from './endpoint.ts';
import { count, instant, MessageAnswer, nullable, UPLOAD_ID, words } from './wire.ts';

const TAGS = ['uploads'];
const DEVICE = Type.Object({ device_id: Type.String({ minLength: 1, maxLength: 128 }) });
export const DeviceQueueItem = Type.Object(
  {
    id: Type.String(),
    device_id: Type.String(),
    folder_id: Type.Null(),
    filename: Type.String(),
    remote_path: Type.String(),
    file_size: count(),
    file_size_bytes: count(),
    uploaded_bytes: count(),
    status: words(['pending', 'uploading', 'completed', 'failed']),
    error_message: nullable(Type.String()),
    retry_count: count(),
    created_at: instant(),
  },
  { title: 'DeviceQueueItem' },
);
export type DeviceQueueItem = Static<typeof DeviceQueueItem>;

export const DeviceQueue = Type.Object(
  { items: Type.Array(DeviceQueueItem) },
  { title: 'DeviceQueue' },
);
export type DeviceQueue = Static<typeof DeviceQueue>;

/** The app's own upload queue, which shows ours. */
export const DEVICE_QUEUE_ENDPOINTS = [
  endpoint({
    id: 'mobile-upload-queue',
    method: 'GET',
    path: '/api/mobile/upload/queue/{device_id}',
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
