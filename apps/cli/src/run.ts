/** One run of the program: what it was started with, and how it ended. */
import type { Command } from 'commander';
import type { CliSettings } from './config.js';
import type { SettingsPlace } from './settings-file.js';
import type { Context } from './context.js';
import { EXIT, type ExitCode } from './exit-code.js';
import type { Terminal } from './terminal.js';

/** What main.ts takes from the process. */
export interface Host {
  terminal: Terminal;
  stdin: AsyncIterable<Buffer | string>;
  now: () => number;
  signal: AbortSignal;
  /** EVERSEAL_DIR. */
  dir: string | undefined;
}

/** Options before the command. */
export interface GlobalOptions {
  config?: string | undefined;
  dir?: string | undefined;
  debug?: boolean | undefined;
}

/** Hands each command its context and keeps how it ended. */
export class Run {
  exitCode: ExitCode = EXIT.ok;

  constructor(readonly host: Host) {}

  place(program: Command): SettingsPlace {
    const { config, dir } = program.opts<GlobalOptions>();
    return { config, dir: dir ?? this.host.dir };
  }

  async context(program: Command): Promise<Context> {
    const { readSettings } = await import('./config.js');
    const { terminal, stdin, now, signal } = this.host;
    let settings: CliSettings | undefined;
    return { terminal, stdin, now, signal, settings: () => (settings ??= readSettings(this.place(program))) };
  }
}
