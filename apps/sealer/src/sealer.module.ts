/** Nest's part of the sealer: the operations endpoints, and the order in which things stop. compose.ts is the rest. */

import { Module, type DynamicModule, type OnApplicationShutdown } from '@nestjs/common';
import { OperationsModule } from '@everseal/operations';
import type { ServiceContext } from '@everseal/process';
import type { SealerSettings } from './config.js';
import type { SealerService } from './compose.js';

class StopSealer implements OnApplicationShutdown {
  constructor(private readonly sealer: SealerService) {}

  onApplicationShutdown(): Promise<void> {
    return this.sealer.stop();
  }
}

@Module({})
export class SealerModule {
  static with({ health, metrics }: ServiceContext<SealerSettings>, sealer: SealerService): DynamicModule {
    return {
      module: SealerModule,
      imports: [OperationsModule.with(health, metrics)],
      providers: [{ provide: StopSealer, useValue: new StopSealer(sealer) }],
    };
  }
}
