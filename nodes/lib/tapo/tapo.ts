export { libraryLogins } from '../../../packages/node-red-contrib-balupi-tapo/lib/tapo/connect/connect-login.ts';
export * from '../../../packages/node-red-contrib-balupi-tapo/lib/tapo/tapo.ts';
export { plugHint } from './plug-hints.ts';
