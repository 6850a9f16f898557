export * from '../../../packages/node-red-contrib-balupi-tapo/lib/energy/energy.ts';
