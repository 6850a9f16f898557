export {
  type ApiMessage,
  type Call,
  callerOf,
  callOf,
  type GuardedRequest,
  responseOf,
  withAnswer,
} from './call.ts';
export { asleepAnswer, nasRefusal, troubleAnswer, wordlessRefusal } from './fault-answers.ts';
export { type FileMessage, NodeGuard, type NodeStatus, requestOf, roleFault } from './guarded.ts';
export {
  type Declared,
  named,
  operationOf,
  type Operations,
  operationsOf,
} from './run-operation.ts';
