const libs = [
  'audit-core',
  'policy',
  'ledger-store',
  'messaging',
  'tls',
  'tls-posture',
  'timestamps',
  'pki',
  'process',
  'operations',
  'service-link',
  'system-ledger',
  'client',
  'local',
  'testing',
];

export default {
  testEnvironment: 'node',
  roots: ['<rootDir>/apps', '<rootDir>/libs', '<rootDir>/test', '<rootDir>/bench'],
  testRegex: '\\.spec\\.ts$',
  // Minutes of silence, by the watcher's own periods: npm run test:watch. Its parts have specs of their own.
  testPathIgnorePatterns: ['/node_modules/', '/test/system/watch\\.spec'],
  moduleFileExtensions: ['ts', 'js', 'mjs', 'json'],
  extensionsToTreatAsEsm: ['.ts'],
  moduleNameMapper: {
    ...Object.fromEntries(libs.map((lib) => [`^@everseal/${lib}$`, `<rootDir>/libs/${lib}/src/index.ts`])),
    '^(\\.{1,2}/.*)\\.js$': '$1',
  },
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      {
        swcrc: false,
        jsc: {
          parser: { syntax: 'typescript', decorators: true },
          transform: { legacyDecorator: true, decoratorMetadata: true, useDefineForClassFields: false },
          target: 'es2023',
          keepClassNames: true,
        },
        module: { type: 'es6' },
        sourceMaps: 'inline',
      },
    ],
  },
  setupFiles: ['reflect-metadata'],
  globalSetup: '<rootDir>/libs/testing/src/jest-setup.mjs',
  globalTeardown: '<rootDir>/libs/testing/src/jest-teardown.mjs',
  // The specs that take longest wait for other processes; one worker on two cores would leave most of them idle.
  maxWorkers: '100%',
  testTimeout: 30_000,
};
