// An OpenID provider for the tests: node server.mjs <redirect URI>
//
// It prints its issuer URL, and serves until its standard input ends. Everybody may log
// in, under any name. It replaces refresh tokens at each use, and ends the whole login if
// one is used again. Access tokens for a resource (RFC 8707) are JWTs. GET /events lists
// what happened, without secrets.
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import Provider, { errors } from 'oidc-provider'

const [redirectURI] = process.argv.slice(2)

const resources = {
  'https://compute.example': 'compute.run',
  'https://storage.example': 'storage.read storage.write',
}

function signingKey () {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return { ...privateKey.export({ format: 'jwk' }), alg: 'ES256', use: 'sig' }
}

const server = createServer()
server.listen(0, '127.0.0.1')
await once(server, 'listening')
const issuer = `http://127.0.0.1:${server.address().port}`

const provider = new Provider(issuer, {
  clients: [{
    client_id: 'mytoken',
    client_secret: 'a-secret-of-the-tests',
    redirect_uris: [redirectURI],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    id_token_signed_response_alg: 'ES256'
  }],
  jwks: { keys: [signingKey()] },
  cookies: { keys: [randomBytes(32).toString('hex')] },
  scopes: ['openid', 'offline_access', 'profile'],
  claims: { openid: ['sub'], profile: ['name'] },
  pkce: { required: () => true },
  rotateRefreshToken: true,
  features: {
    devInteractions: { enabled: true },
    introspection: { enabled: true },
    revocation: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: (ctx, client, oneOf) => oneOf,
      useGrantedResource: () => false,
      getResourceServerInfo (ctx, resource) {
        if (!(resource in resources)) throw new errors.InvalidTarget()
        return {
          scope: resources[resource],
          audience: resource,
          accessTokenFormat: 'jwt',
          accessTokenTTL: 600,
          jwt: { sign: { alg: 'ES256' } }
        }
      }
    }
  }
})

const events = []
for (const name of ['refresh_token.saved', 'refresh_token.consumed', 'grant.revoked', 'grant.success']) {
  provider.on(name, () => events.push({ name }))
}
for (const name of ['grant.error', 'authorization.error', 'server_error']) {
  provider.on(name, (ctx, err) => events.push({ name, error: err.message, detail: err.error_detail ?? err.error_description }))
}

const serve = provider.callback()
server.on('request', (req, res) => {
  if (req.url === '/events') {
    res.end(JSON.stringify(events))
  } else {
    serve(req, res)
  }
})

process.stdin.on('end', () => process.exit(0)).resume()
console.log(issuer)
