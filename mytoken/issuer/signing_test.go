package issuer_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"io"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/restriction"
)

// changeable is a key that a test can spoil while an issuer uses it. It stands for a key
// in memory, or for one in a key service.
type changeable struct {
	raw    *ecdsa.PrivateKey
	panics bool
}

// service is a changeable behind the interface of a key service.
type service struct{ *changeable }

func (k service) Public() crypto.PublicKey { return k.raw.Public() }
func (k service) Sign(rnd io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	if k.panics {
		panic("the key service is broken")
	}
	return k.raw.Sign(rnd, digest, opts)
}

// spoil makes the key sign with another private key from now on.
func (k *changeable) spoil(t *testing.T) {
	t.Helper()
	other, err := ecdsa.GenerateKey(k.raw.Curve, rand.Reader)
	require.NoError(t, err)
	pub := k.raw.PublicKey
	*k.raw = *other
	k.raw.PublicKey = pub
}

// startWith starts a service with a changeable key.
func startWith(t *testing.T, inMemory bool, change func(*issuer.Config)) (*mytokentest.Service, *changeable) {
	t.Helper()
	raw, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	require.NoError(t, err)
	k := &changeable{raw: raw}
	var signer crypto.Signer = service{k}
	if inMemory {
		signer = raw
	}
	key, err := mytoken.NewKey(signer, "")
	require.NoError(t, err)
	keys, err := mytoken.NewKeys(key)
	require.NoError(t, err)
	return start(t, mytokentest.Options{Config: func(c *issuer.Config) {
		c.Keys = keys
		if change != nil {
			change(c)
		}
	}}), k
}

// The issuer does not check what a key in memory has just signed, and does not decode it
// again: it does not see that this test spoils the key. There is no cache in which it
// could find the token.
func TestIssuerTrustsKeysInMemory(t *testing.T) {
	s, key := startWith(t, true, func(c *issuer.Config) { c.TokenCacheSize = -1 })
	plain := login(t, s, mytoken.Properties{Capabilities: allCapabilities})
	turning := login(t, s, rotating)
	key.spoil(t)
	for name, got := range map[string]*mytoken.Issued{
		"login":    login(t, s, mytoken.Properties{}),
		"child":    derive(t, s, plain.Token, mytoken.Properties{}),
		"rotation": rotate(t, s, turning.Token),
	} {
		require.NotNil(t, got.Claims, name)
		require.Equal(t, got.ID, got.Claims.ID(), name)
		requireDead(t, s, got.Token, issuer.TokenMalformed)
	}
}

// The issuer checks each signature of a key service. A wrong one fails the request before
// anything is stored or charged, and a rotation leaves the token as it is.
func TestIssuerChecksKeyServices(t *testing.T) {
	for name, harm := range map[string]func(*testing.T, *changeable){
		"wrong key": func(t *testing.T, k *changeable) { k.spoil(t) },
		"panic":     func(_ *testing.T, k *changeable) { k.panics = true },
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			s, key := startWith(t, false, func(c *issuer.Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
			parent := login(t, s, mytoken.Properties{Capabilities: allCapabilities, Restrictions: restriction.List{{UsagesOther: restriction.Usages(1)}}})
			turning := login(t, s, rotating)
			harm(t, key)

			refused := func(err error) {
				t.Helper()
				require.ErrorIs(t, err, mytoken.ErrSigning)
				require.NotContains(t, err.Error(), "broken")
			}
			_, err := s.Login(t.Context(), "alice", mytoken.Properties{})
			refused(err)
			_, err = s.Issuer.Derive(t.Context(), issuer.DeriveRequest{Token: parent.Token, Client: client})
			refused(err)
			info, err := s.Store.Token(t.Context(), parent.ID)
			require.NoError(t, err)
			require.Zero(t, info.Counters[0].OtherUsed, "charged")

			at, err := accessToken(t, s, turning.Token)
			require.NoError(t, err, "the access token is there, and cannot be repeated")
			require.Nil(t, at.Update)
			requireUsable(t, s, turning.Token)
			require.Contains(t, log.String(), "kind=not_rotated")
			if key.panics {
				require.Equal(t, 4, strings.Count(log.String(), `kind=panic in="the signer" error="the key service is broken"`))
				require.Equal(t, 4, strings.Count(log.String(), "kind=panic"), "each is logged once")
			}
		})
	}
}

// The first use of an issued token costs no signature check: it finds the token in the
// cache, so it does not see that the key was spoilt. Another process checks.
func TestFirstUseOfAnIssuedToken(t *testing.T) {
	s, key := startWith(t, true, nil)
	parent, turning := login(t, s, mytoken.Properties{Capabilities: allCapabilities}), login(t, s, rotating)
	key.spoil(t)
	other, err := issuer.New(s.Config)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, other.Close(context.Background())) })
	for _, token := range []mytoken.Secret{
		login(t, s, mytoken.Properties{}).Token,
		derive(t, s, parent.Token, mytoken.Properties{}).Token,
		rotate(t, s, turning.Token).Token,
	} {
		requireUsable(t, s, token)
		_, err := other.AccessToken(t.Context(), issuer.AccessTokenRequest{Token: token, Client: client})
		requireTokenError(t, err, issuer.TokenMalformed)
	}
}

// A token that was signed and never stored is in the cache, and worthless: the store
// decides about each use.
func TestUnstoredTokenIsWorthless(t *testing.T) {
	s := start(t, mytokentest.Options{})
	root := login(t, s, mytoken.Properties{Capabilities: allCapabilities})
	verifier := s.Issuer.Verifier()
	for name, change := range map[string]func(*mytoken.Claims){
		"another token":       func(c *mytoken.Claims) { c.JTI = mytoken.JTI{} },
		"the same, once more": func(*mytoken.Claims) {},
		"the next generation": func(c *mytoken.Claims) { c.Seq++ },
	} {
		claims := root.Claims.Claims()
		change(&claims)
		secret, token, err := verifier.Issue(claims)
		require.NoError(t, err)
		read, err := verifier.Verify(t.Context(), secret.Reveal())
		require.NoError(t, err)
		require.Same(t, token, read, "%s is not in the cache", name)
		_, err = accessToken(t, s, secret)
		require.Equal(t, issuer.TokenUnknown, errAs[*issuer.TokenError](t, err).Reason, name)
	}
	requireUsable(t, s, root.Token)
}

// The public clients take a string for a JWT only if its signature fills whole groups of
// four base64 characters, as padded base64url demands (protocol section 1.1). All tokens
// of an issuer with the default algorithm do, whatever they say.
func TestPublicClientsRecogniseTokens(t *testing.T) {
	key, err := mytoken.GenerateKey("")
	require.NoError(t, err)
	require.Equal(t, mytoken.ES384, key.Algorithm())
	keys, err := mytoken.NewKeys(key)
	require.NoError(t, err)
	s := start(t, mytokentest.Options{Config: func(c *issuer.Config) { c.Keys = keys }})
	recognised := func(token mytoken.Secret) {
		t.Helper()
		parts := strings.Split(token.Reveal(), ".")
		require.Len(t, parts, 3)
		signature, err := base64.URLEncoding.DecodeString(parts[2])
		require.NoError(t, err)
		require.Len(t, signature, 2*384/8)
	}
	for n := range 8 { // a payload of any length
		props := rotating
		props.Name = strings.Repeat("x", n)
		root := login(t, s, props)
		recognised(root.Token)
		next := rotate(t, s, root.Token)
		recognised(next.Token)
		child := derive(t, s, next.Token, mytoken.Properties{Name: props.Name})
		recognised(child.Token)
		recognised(child.Update.Token)
	}
}
