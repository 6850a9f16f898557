import js from '@eslint/js';
import vue from 'eslint-plugin-vue';

/** What oxlint does not read: scripts that no TypeScript checks, and the templates of Vue parts. */
export default [
  {
    ignores: ['**/dist/', 'node_modules/', 'data/', 'release/', 'coverage/', 'test/fixtures/'],
  },
  js.configs.recommended,
  {
    files: ['deploy/**/*.mjs'],
    languageOptions: {
      globals: { process: 'readonly', console: 'readonly', setTimeout: 'readonly' },
    },
  },
  // The Vue parts of the pages; their form is oxfmt's, their types are vue-tsc's.
  ...vue.configs['flat/recommended'].map((rules) => ({ ...rules, files: ['flows/parts/*.vue'] })),
  {
    files: ['flows/parts/*.vue'],
    languageOptions: {
      globals: {
        ...{ window: 'readonly', document: 'readonly', fetch: 'readonly', console: 'readonly' },
        ...{ setInterval: 'readonly', clearInterval: 'readonly', setTimeout: 'readonly' },
        ...{
          clearTimeout: 'readonly',
          ResizeObserver: 'readonly',
          MutationObserver: 'readonly',
          CustomEvent: 'readonly',
        },
        ...{ URLSearchParams: 'readonly', Intl: 'readonly' },
      },
    },
    rules: {
      'no-console': 'error',
      complexity: ['error', 18],
      // A part is a node of its own: it has no name, and the Dashboard gives it its message.
      'vue/multi-word-component-names': 'off',
      'vue/require-prop-types': 'off',
      // What oxfmt decides.
      'vue/html-indent': 'off',
      'vue/html-self-closing': 'off',
      'vue/max-attributes-per-line': 'off',
      'vue/singleline-html-element-content-newline': 'off',
      'vue/multiline-html-element-content-newline': 'off',
      'vue/html-closing-bracket-newline': 'off',
      'vue/first-attribute-linebreak': 'off',
      // Nothing that a message brings becomes a tag.
      'vue/no-v-html': 'error',
    },
  },
  {
    files: ['**/*.cjs'],
    languageOptions: { globals: { module: 'writable', require: 'readonly' } },
  },
];
