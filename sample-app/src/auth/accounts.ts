import { Injectable } from '@nestjs/common';

/** What a user pays for. */
export type Plan = 'free' | 'pro';

export interface User {
  readonly id: string;
  readonly name: string;
  readonly plan: Plan;
  readonly isAdmin: boolean;
}

interface Account {
  readonly user: User;
  readonly password: string;
  readonly token: string;
}

/** For the demonstration only: real passwords are stored as salted hashes, and real tokens are random and expire. */
const DEMO_ACCOUNTS: readonly Account[] = [
  account({ id: 'user-1', name: 'alice', plan: 'free', isAdmin: false }),
  account({ id: 'user-2', name: 'bob', plan: 'pro', isAdmin: false }),
  account({ id: 'user-3', name: 'carol', plan: 'pro', isAdmin: true }),
];

function account(user: User): Account {
  return { user, password: `${user.name}-password`, token: `${user.name}-token` };
}

@Injectable()
export class Accounts {
  userOfToken(token: string): User | undefined {
    return DEMO_ACCOUNTS.find((account) => account.token === token)?.user;
  }

  userById(id: string): User | undefined {
    return DEMO_ACCOUNTS.find(({ user }) => user.id === id)?.user;
  }

  tokenFor(username: string, password: string): string | undefined {
    return DEMO_ACCOUNTS.find(({ user, ...account }) => user.name === username && account.password === password)?.token;
  }
}
