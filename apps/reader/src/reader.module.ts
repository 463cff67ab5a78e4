/** Nest's part of the reader's operations: /live, /ready, /metrics, and the order in which things stop. compose.ts is the rest. */

import { Module, type DynamicModule, type OnApplicationShutdown } from '@nestjs/common';
import { OperationsModule } from '@everseal/operations';
import type { ServiceContext } from '@everseal/process';
import type { ReaderService } from './compose.js';
import type { ReaderSettings } from './config.js';

class StopReader implements OnApplicationShutdown {
  constructor(private readonly reader: ReaderService) {}

  onApplicationShutdown(): Promise<void> {
    return this.reader.stop();
  }
}

@Module({})
export class ReaderModule {
  static with({ health, metrics }: ServiceContext<ReaderSettings>, reader: ReaderService): DynamicModule {
    return {
      module: ReaderModule,
      imports: [OperationsModule.with(health, metrics)],
      providers: [{ provide: StopReader, useValue: new StopReader(reader) }],
    };
  }
}
