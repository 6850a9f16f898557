import { join, relative } from 'node:path';
import ts from 'typescript';

/** The code of a tree as the compiler understands it. */
export interface OwnProgram {
  readonly files: readonly ts.SourceFile[];
  readonly checker: ts.TypeChecker;
  /** @returns a file's name relative to the tree, `host/bad.ts` */
  readonly nameOf: (file: ts.SourceFile) => string;
}

/**
 * @param places files and folders relative to `folder`; no others are looked at
 * @param folder a tree laid out like this one
 * @throws Error if the compiler cannot read the tree
 */
export function readProgram(places: readonly string[], folder = process.cwd()): OwnProgram {
  const config = ts.getParsedCommandLineOfConfigFile(join(folder, 'tsconfig.json'), {}, host());
  if (config === undefined) throw new Error(`There is no tsconfig.json in ${folder}`);
  const nameOf = (file: string): string => relative(folder, file).replaceAll('\\', '/');
  const isOurs = (file: string): boolean =>
    places.some((place) => nameOf(file) === place || nameOf(file).startsWith(`${place}/`));
  const program = ts.createProgram(config.fileNames.filter(isOurs), config.options);
  return {
    files: program.getSourceFiles().filter(({ fileName }) => isOurs(fileName)),
    checker: program.getTypeChecker(),
    nameOf: ({ fileName }) => nameOf(fileName),
  };
}

function host(): ts.ParseConfigFileHost {
  return {
    ...ts.sys,
    onUnRecoverableConfigFileDiagnostic: ({ messageText }) => {
      throw new Error(ts.flattenDiagnosticMessageText(messageText, '\n'));
    },
  };
}
