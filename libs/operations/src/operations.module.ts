/** The operations endpoints of one service, over the health and metrics objects that the service was composed with. */
import { Module } from '@nestjs/common';
import type { DynamicModule } from '@nestjs/common';
import { Health, Registry } from '@everseal/process';
import { OperationsController } from './operations.controller.js';

@Module({})
export class OperationsModule {
  static with(health: Health, registry: Registry): DynamicModule {
    return {
      module: OperationsModule,
      controllers: [OperationsController],
      providers: [
        { provide: Health, useValue: health },
        { provide: Registry, useValue: registry },
      ],
    };
  }
}
