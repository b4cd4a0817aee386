// An OpenID Connect provider that signs in whoever the login hint names, without asking.
// ACCOUNTS is a JSON file: login hint -> claims. It is read at every sign-in.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const require = createRequire(`${process.cwd()}/`);
const { Provider } = await import(pathToFileURL(require.resolve('oidc-provider')));
const { ISSUER, PORT, REDIRECT_URIS, ACCOUNTS } = process.env;
const account = (hint) => JSON.parse(readFileSync(ACCOUNTS, 'utf8'))[hint];
const claimsOf = new Map();

const provider = new Provider(ISSUER, {
  clients: [
    {
      client_id: 'keyway',
      client_secret: 'a client secret: +/&%',
      redirect_uris: REDIRECT_URIS.split(' '),
    },
  ],
  claims: { openid: ['sub'], email: ['email', 'email_verified'] },
  cookies: { keys: ['of the tests'] },
  features: { devInteractions: { enabled: false } },
  interactions: { url: (ctx, interaction) => `/interaction/${interaction.uid}` },
  findAccount: (ctx, sub) => ({ accountId: sub, claims: () => claimsOf.get(sub) }),
});

provider.use(async (ctx, next) => {
  if (!ctx.path.startsWith('/interaction/')) return next();
  const { params } = await provider.interactionDetails(ctx.req, ctx.res);
  const claims = account(params.login_hint);
  claimsOf.set(claims.sub, claims);
  const grant = new provider.Grant({ accountId: claims.sub, clientId: params.client_id });
  grant.addOIDCScope(params.scope);
  const result = { login: { accountId: claims.sub }, consent: { grantId: await grant.save() } };
  await provider.interactionFinished(ctx.req, ctx.res, result, { mergeWithLastSubmission: false });
  ctx.respond = false;
});

provider.listen(Number(PORT), '127.0.0.1', () => console.log('listening'));
