import type { LoggerService } from '@nestjs/common';

/** Keeps what an application says, one line per message with its level and its context in front. */
export class KeptLog implements LoggerService {
  readonly lines: string[] = [];

  log(message: unknown, context?: unknown): void {
    this.keep('log', message, context);
  }

  warn(message: unknown, context?: unknown): void {
    this.keep('warn', message, context);
  }

  error(message: unknown, ...more: unknown[]): void {
    this.keep('error', message, more.at(-1));
  }

  /** The warnings and errors of this context, without it. */
  of(context: string): readonly string[] {
    return this.lines.filter((line) => line.includes(`[${context}] `));
  }

  private keep(level: string, message: unknown, context: unknown): void {
    this.lines.push(`${level} [${String(context)}] ${message instanceof Error ? message.message : String(message)}`);
  }
}
