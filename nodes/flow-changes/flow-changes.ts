import type { NodeAPI } from 'node-red';

/** What the host hands over in Node-RED's settings (`flows/flow-layers.ts`). */
interface OwnersFlows {
  list(): Promise<unknown>;
  difference(tab: string): Promise<string | null>;
  reset(tab: string): Promise<boolean>;
}

/** Node-RED's published types know no plugins yet. */
interface PluginApi {
  readonly plugins: { registerPlugin(id: string, definition: object): void };
}

interface Request {
  readonly params: Readonly<Record<string, string | undefined>>;
}

interface Response {
  status(code: number): Response;
  json(body: unknown): void;
}

type Handler = (flows: OwnersFlows, tab: string) => Promise<unknown>;

/** Tabs are files of one folder, named so. */
const TAB = /^[\w][\w .-]{0,100}$/;

/**
 * Plugin of the editor: a sidebar that shows what is deployed over the shipped flows, how it differs,
 * and takes it back. Its routes are the editor's, for those who may read or write flows there.
 */
export default function register(RED: NodeAPI): void {
  const flows = (RED.settings as { readonly balupiFlows?: OwnersFlows }).balupiFlows;
  (RED as unknown as PluginApi).plugins.registerPlugin('balupi-flow-changes', { type: 'balupi' });
  if (flows === undefined) return;
  const handled = (handler: Handler) => answering(flows, handler, (line) => RED.log.error(line));
  const [mayRead, mayWrite] = ['flows.read', 'flows.write'].map((may) =>
    RED.auth.needsPermission(may),
  );
  const { httpAdmin } = RED;
  httpAdmin.get('/balupi/flow-changes', mayRead as never, handled((all) => all.list()) as never);
  httpAdmin.get(
    '/balupi/flow-changes/:tab',
    mayRead as never,
    handled(async (all, tab) => {
      const text = await all.difference(tab);
      return text === null ? null : { difference: text };
    }) as never,
  );
  httpAdmin.delete(
    '/balupi/flow-changes/:tab',
    mayWrite as never,
    handled((all, tab) => all.reset(tab)) as never,
  );
}

function answering(
  flows: OwnersFlows,
  handler: Handler,
  log: (line: string) => void,
): (request: Request, response: Response) => void {
  return (request, response) => {
    const { tab = '' } = request.params;
    if (tab !== '' && !TAB.test(tab)) {
      response.status(404).json({ code: 'not_found' });
      return;
    }
    handler(flows, tab).then(
      (found) => {
        if (found === null || found === false) response.status(404).json({ code: 'not_found' });
        else response.json(found);
      },
      (error: unknown) => {
        log(`The deployed flows could not be looked at: ${String(error)}`);
        response.status(500).json({ code: 'failed' });
      },
    );
  };
}
