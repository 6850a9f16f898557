import assert from 'node:assert/strict';
import { ENDPOINTS } from '../../../nodes/lib/api/api.ts';
import { openApiDocument } from '../../../nodes/lib/api/openapi.ts';

/** The part of Redocly's linter that is used. */
interface Redocly {
  readonly createConfig: (wanted: { readonly extends: readonly string[] }) => Promise<unknown>;
  readonly lintFromString: (asked: {
    readonly source: string;
    readonly absoluteRef: string;
    readonly config: unknown;
  }) => Promise<readonly { readonly severity: string; readonly ruleId: string }[]>;
}

/** The part of Spectral that is used. */
interface SpectralCore {
  readonly default: {
    readonly Spectral: new () => {
      setRuleset(rules: object): void;
      run(document: object): Promise<readonly { readonly code: string | number }[]>;
    };
  };
}
interface SpectralRulesets {
  readonly default: { readonly oas: object };
}

const [REDOCLY, CORE, RULESETS] = [
  '@redocly/openapi-core',
  '@stoplight/spectral-core',
  '@stoplight/spectral-rulesets',
] as const;

describe('the published description, by the recommended rules of others', function () {
  // Both load half a thousand files first.
  this.timeout(60_000);
  const source = JSON.stringify(openApiDocument(ENDPOINTS, '0.1.0'));
  const spoilt = JSON.stringify({
    ...(JSON.parse(source) as object),
    info: { title: 'BaluPi', version: '0.1.0' },
  });

  async function redocly(text: string): Promise<readonly string[]> {
    const { createConfig, lintFromString } = (await import(REDOCLY)) as Redocly;
    const config = await createConfig({ extends: ['recommended'] });
    const found = await lintFromString({ source: text, absoluteRef: '/openapi.json', config });
    return found.map(({ severity, ruleId }) => `${severity} ${ruleId}`);
  }

  async function spectral(text: string): Promise<readonly string[]> {
    const { Spectral } = ((await import(CORE)) as SpectralCore).default;
    const { oas } = ((await import(RULESETS)) as SpectralRulesets).default;
    const linter = new Spectral();
    linter.setRuleset({ extends: [[oas, 'recommended']] });
    return (await linter.run(JSON.parse(text) as object)).map(({ code }) => String(code));
  }

  it('has no error and no warning of Redocly', async () => {
    assert.deepEqual(await redocly(source), []);
    assert.deepEqual(await redocly(spoilt), ['warn info-license']);
  });

  it('has no error and no warning of Spectral', async () => {
    assert.deepEqual(await spectral(source), []);
    assert.ok((await spectral(spoilt)).includes('info-contact'));
  });
});
