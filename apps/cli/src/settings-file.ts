/** Where the settings of the command-line tool are. */
import path from 'node:path';

/** What says where the settings are. */
export interface SettingsPlace {
  /** --config. */
  config?: string | undefined;
  /** --dir, or else EVERSEAL_DIR. */
  dir?: string | undefined;
}

/** The folder of a one-machine installation, unless another is named. */
export const DEFAULT_DIR = '.everseal';

/** The settings file that is meant; it need not exist. */
export function settingsFile({ config, dir }: SettingsPlace): string {
  return config ?? path.join(dir ?? DEFAULT_DIR, 'config', 'cli.yaml');
}
