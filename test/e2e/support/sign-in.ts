import { type CanActivate, type ExecutionContext, Injectable, UnauthorizedException } from '@nestjs/common';

interface SignedIn {
  readonly headers: Readonly<Record<string, string | undefined>>;
  user?: unknown;
}

/** Signs in whom X-User names, lets those pass who name nobody, and answers 401 to `forged`. */
@Injectable()
export class SignInGuard implements CanActivate {
  /** How often it was asked; tests start it at 0. */
  static asked = 0;

  canActivate(context: ExecutionContext): boolean {
    SignInGuard.asked++;
    const request = context.switchToHttp().getRequest<SignedIn>();
    const id = request.headers['x-user'];
    if (id === 'forged') throw new UnauthorizedException();
    if (id !== undefined) request.user = { id, tenant: id.split('@')[1] };
    return true;
  }
}

/** The header by which the guard knows a user. */
export function as(id: string): { headers: Record<string, string> } {
  return { headers: { 'X-User': id } };
}
